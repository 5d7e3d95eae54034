//! The options of a mesh that goes through NATS.

use std::path::PathBuf;

use clap::Args;

use super::Config;

/// A mesh through NATS instead of links of the nodes' own. It needs `GP_SECRET`.
///
/// ```
/// use presence_server::Config;
///
/// let both = Config::of(["--mesh", "nats://127.0.0.1:4222", "--mesh-listen", "quic/[::]:7447"]).unwrap();
/// assert!(both.check().is_err_and(|mistake| mistake.contains("--mesh-listen")));
/// assert!(Config::of(["--mesh", "127.0.0.1:4222"]).is_err_and(|mistake| mistake.contains("nats://")));
/// ```
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Mesh")]
pub struct NatsOptions {
    /// Links the nodes through NATS instead: nats://host:4222, or tls://...; repeatable, servers of this node's region. Excludes
    /// --mesh-listen, --mesh-peer and --mesh-advertise
    #[arg(long, env = "GP_MESH", value_name = "URL", value_delimiter = ',', value_parser = nats_server)]
    pub mesh: Vec<String>,

    /// The mesh's name in the subjects of NATS [default: made from GP_SECRET]
    #[arg(long, env = "GP_MESH_NAME", value_name = "NAME", value_parser = mesh_name)]
    pub mesh_name: Option<String>,

    /// What this node shows to NATS: a file of NATS credentials, the seed of an nkey, or user:password
    #[arg(long, env = "GP_MESH_CREDS", value_name = "FILE")]
    pub mesh_creds: Option<PathBuf>,
}

impl NatsOptions {
    /// Checks options that depend on each other.
    pub(super) fn check(&self, node: &Config) -> Result<(), String> {
        let own_authority = [&node.mesh_ca, &node.mesh_cert, &node.mesh_key].into_iter().any(Option::is_some);
        let embedded = node.mesh_listen.is_some() || !node.mesh_peer.is_empty() || !node.mesh_advertise.is_empty();
        if self.mesh.is_empty() {
            return if self.mesh_name.is_none() && self.mesh_creds.is_none() {
                Ok(())
            } else {
                Err("--mesh-name and --mesh-creds need --mesh: write --mesh nats://host:4222".to_owned())
            };
        }
        if embedded {
            return Err("--mesh links the nodes through NATS: leave out --mesh-listen, --mesh-peer and --mesh-advertise, or --mesh".to_owned());
        }
        if own_authority {
            return Err("--mesh seals messages with GP_SECRET: leave out --mesh-ca, --mesh-cert and --mesh-key; certificates of NATS are checked against those of the system".to_owned());
        }
        node.own_name().map_or(Ok(()), |name| check_name(name.as_str()))
    }
}

impl Config {
    /// Whether there are other nodes.
    pub(crate) fn is_meshed(&self) -> bool {
        self.mesh_listen.is_some() || !self.nats.mesh.is_empty()
    }
}

/// Fails if a node of that name can't publish by NATS.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    is_token(name).then_some(()).ok_or_else(|| {
        format!("the node's name {name:?} can't be part of a subject of NATS: set --node to a name of A-Z, a-z, 0-9, - and _")
    })
}

/// Whether a name can be part of a subject.
pub(crate) fn is_token(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn mesh_name(text: &str) -> Result<String, String> {
    is_token(text).then(|| text.to_owned()).ok_or_else(|| "write 1 to 64 letters, digits, - or _".to_owned())
}

fn nats_server(text: &str) -> Result<String, String> {
    let mistake = || "write nats:// (or tls://), a host and a port, such as nats://nats1.example.org:4222".to_owned();
    let rest = text.strip_prefix("nats://").or_else(|| text.strip_prefix("tls://")).ok_or_else(mistake)?;
    if rest.contains('@') {
        return Err("leave out user and password, which every user of the machine could read: write them into the file of --mesh-creds".to_owned());
    }
    let (host, port) = rest.rsplit_once(':').ok_or_else(mistake)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    let fits = (1..=255).contains(&host.len()) && host.chars().all(allowed) && port.parse::<u16>().is_ok();
    fits.then(|| text.to_owned()).ok_or_else(mistake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_nats_have_a_port_and_no_password() {
        for right in ["nats://127.0.0.1:4222", "tls://nats.example.org:4222", "nats://[::1]:4222"] {
            assert_eq!(nats_server(right).as_deref(), Ok(right));
        }
        for wrong in ["127.0.0.1:4222", "nats://host", "quic/host:4222", "nats://:1", "nats://a b:1", "nats://a:99999"]
        {
            assert!(nats_server(wrong).is_err_and(|mistake| mistake.contains("nats://")), "{wrong}");
        }
        assert!(nats_server("nats://me:secret@host:4222").is_err_and(|mistake| mistake.contains("--mesh-creds")));
    }

    #[test]
    fn options_of_the_two_carriers_exclude_each_other() {
        let checked = |words: &[&str]| {
            let node = Config::of(words.iter().copied()).unwrap();
            node.nats.check(&node)
        };
        let through = ["--mesh", "nats://a:4222"];
        let beside = |words: [&str; 2]| checked(&[through, words].concat());
        assert_eq!(beside(["--node", "ams-1"]), Ok(()));
        assert!(beside(["--mesh-peer", "quic/a:7447"]).is_err_and(|mistake| mistake.contains("--mesh-listen")));
        assert!(beside(["--mesh-ca", "ca.pem"]).is_err_and(|mistake| mistake.contains("--mesh-ca")));
        for wrong in ["ams.1", "ams>", "*"] {
            assert!(beside(["--node", wrong]).is_err_and(|mistake| mistake.contains("--node")), "{wrong}");
        }
        assert!(checked(&["--mesh-name", "m"]).is_err_and(|mistake| mistake.contains("--mesh nats://")));
    }
}

//! The NATS servers of a world whose regions they link: three, joined as gateways, for two regions each.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::say;

/// The regions of each server, which has the name of the first one.
const SERVED: [[&str; 2]; 3] = [["ams", "lhr"], ["iad", "yyz"], ["maa", "scl"]];
const LISTENS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs a program and ends it as soon as standard input does, so that it ends with the process that holds the other end, even if
/// that is killed.
const LEASH: &str = r#"exec 3<&0; "$@" </dev/null & server=$!
(read -r _ <&3; kill -9 $server) & watcher=$!
wait $server; kill $watcher"#;

/// The servers. They end when this is dropped.
pub(super) struct NatsServers {
    running: Vec<Child>,
    first_port: u16,
}

impl NatsServers {
    /// Starts the servers and waits until they listen. They take six ports from this one on: three for nodes, three for each other.
    pub(super) async fn start(first_port: u16, folder: &Path) -> anyhow::Result<Self> {
        let version = version().await?;
        let folder = folder.join("nats");
        std::fs::create_dir_all(&folder).with_context(|| format!("the folder {} can't be made", folder.display()))?;
        let mut servers = Self { running: Vec::new(), first_port };
        let ports: Vec<String> = (0..3).map(|number| (first_port + number).to_string()).collect();
        say(&format!("Starting three NATS servers ({version}), joined as gateways, on ports {}.", ports.join(", ")));
        for number in 0..3 {
            let name = SERVED[usize::from(number)][0];
            let (file, log) = (folder.join(format!("{name}.conf")), folder.join(format!("{name}.log")));
            let text = configuration(number, first_port, &log);
            std::fs::write(&file, text).with_context(|| format!("{} can't be written", file.display()))?;
            servers.running.push(launch(&file)?);
            servers.listens(number, &log).await?;
        }
        Ok(servers)
    }

    async fn listens(&mut self, number: u16, log: &Path) -> anyhow::Result<()> {
        let at = (Ipv4Addr::LOCALHOST, self.first_port + number);
        let child = &mut self.running[usize::from(number)];
        let ended = timeout(LISTENS_WITHIN, async {
            while TcpStream::connect(at).await.is_err() {
                if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return true;
                }
                sleep(LOOK_EVERY).await;
            }
            false
        });
        if let Ok(false) = ended.await {
            return Ok(());
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let last = said.lines().last().unwrap_or("it said nothing");
        bail!("a NATS server can't listen on port {} ({last}): choose other ports by --port, such as --port 5000", at.1)
    }

    /// The address of the server of a region.
    pub(super) fn url_for(&self, code: &str) -> String {
        let number = (0..).zip(SERVED).find(|(_, regions)| regions.contains(&code)).map_or(0, |(number, _)| number);
        format!("nats://127.0.0.1:{}", self.first_port + number)
    }

    /// Ends the servers and waits until they have ended.
    pub(super) async fn stop(mut self) {
        for server in &mut self.running {
            drop(server.stdin.take());
            // An error means that it has ended.
            let _ = server.wait().await;
        }
    }
}

/// The version that is installed, as the program says it.
async fn version() -> anyhow::Result<String> {
    match Command::new("nats-server").arg("--version").env("PATH", path()).output().await {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "nats-server is not installed, and --mesh nats starts three of them: install it (apt install nats-server, brew \
             install nats-server, or https://nats.io/download), or leave out --mesh nats"
        ),
        Err(error) => Err(error).context("nats-server does not start"),
    }
}

/// Debian's servers are not in the path of every user.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/usr/local/sbin");
    path
}

fn launch(file: &Path) -> anyhow::Result<Child> {
    Command::new("sh")
        .args(["-c", LEASH, "sh", "nats-server", "--config"])
        .arg(file)
        .env("PATH", path())
        // So that Ctrl-C reaches only this process, which ends the servers after the regions.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("nats-server does not start")
}

/// As docs/operating/nats.md has it, on loopback.
fn configuration(number: u16, first_port: u16, log: &Path) -> String {
    let gateway = |number: u16| format!("127.0.0.1:{}", first_port + 3 + number);
    let others: Vec<String> = (0..)
        .zip(SERVED)
        .map(|(other, [name, _])| format!("{{ name: \"{name}\", url: \"nats://{}\" }}", gateway(other)))
        .collect();
    let name = SERVED[usize::from(number)][0];
    format!(
        "server_name: \"{name}\"\n\
         listen: \"127.0.0.1:{}\"\n\
         log_file: {:?}\n\
         ping_interval: \"1s\"\n\
         ping_max: 2\n\
         write_deadline: \"2s\"\n\
         gateway {{ name: \"{name}\", listen: \"{}\", gateways: [{}] }}\n",
        first_port + number,
        log.display().to_string(),
        gateway(number),
        others.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_has_a_server_and_the_servers_are_set_as_operators_are_told() {
        let mut regions = SERVED.concat();
        regions.sort_unstable();
        assert_eq!(regions, super::super::REGIONS);
        let servers = NatsServers { running: Vec::new(), first_port: 4_006 };
        assert_eq!(servers.url_for("scl"), "nats://127.0.0.1:4008");
        let told = include_str!("../../../../docs/operating/nats.md");
        let set = configuration(1, 4_006, Path::new("/tmp/nats.log"));
        for setting in told.lines().filter(|line| ["ping_", "write_"].iter().any(|word| line.starts_with(word))) {
            assert!(set.contains(setting), "{set} lacks {setting}");
        }
    }
}

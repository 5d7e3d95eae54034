//! The command that checks a configuration and says what it resolves to, before a node is started or restarted with it.

mod files;

use anyhow::anyhow;
use clap::Args;
use presence_core::NodeHash;
use strsim::damerau_levenshtein;

use self::files::{check_data_directory, own_alone, user};
use crate::certificate::Authority;
use crate::certificate::tls::Trust;
use crate::config::{MeshAddress, OwnAddresses, Secrets};
use crate::http::api_key::ApiKeys;
use crate::http::listen::connections_max;
use crate::memory::MemoryUse;
use crate::nats::check_credentials;
use crate::resolver::look_up;
use crate::running::{open_tls, place};
use crate::sites::read_sites;
use crate::store::Store;
use crate::{Config, Site, telemetry};

const MIB: u64 = 1 << 20;

/// Checks a node's options, environment and files, without starting it.
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use clap::Parser;
/// use presence_server::{CheckCommand, Site};
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(flatten)]
///     check: CheckCommand,
/// }
///
/// let line = Line::parse_from(["check", "--region", "ams", "--public-url", "https://example.org"]);
/// let lines = line.check.run(&Site::new("shop")).await?;
/// assert!(lines.contains(&"public address    https://example.org".to_owned()), "{lines:?}");
/// # Ok::<(), anyhow::Error>(()) })?;
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug, Args)]
#[command(about = "Checks options, environment and files as a node would, and prints what they mean", long_about = None)]
pub struct CheckCommand {
    #[command(flatten)]
    node: Config,
}

impl CheckCommand {
    /// What is to be printed, line by line. Secrets are not shown.
    ///
    /// # Errors
    ///
    /// One sentence about the first mistake, which says what to write instead.
    pub async fn run(self, site: &Site) -> anyhow::Result<Vec<String>> {
        let config = self.node;
        config.check().map_err(|mistake| anyhow!(mistake))?;
        telemetry::check_filter(&config)?;
        let tls = open_tls(&config)?;
        config.data_dir.as_deref().map_or(Ok(()), check_data_directory)?;
        let keys = ApiKeys::open(&config)?;
        config.sites_file.as_deref().map(read_sites).transpose()?;
        check_authority(&config)?;
        config.nats.mesh_creds.as_deref().map_or(Ok(()), check_credentials)?;
        let collector = config.collector().map_err(|mistake| anyhow!(mistake))?;
        let mut lines = identity(&config, site);
        lines.extend(collector.map(|endpoint| line("traces", format_args!("to {endpoint}"))));
        lines.extend(mesh(&config).await);
        lines.extend(limits(&config));
        lines.push(line("checked as user", user()));
        lines.extend(warnings(&config, site, &keys));
        let foreign = |host: &&str| tls.as_ref().is_some_and(|tls| !tls.is_for(host));
        lines.extend(secure_hosts(&config).filter(foreign).map(|host| {
            line("warning", format_args!("the certificate of --tls-cert is not for {host}, which --public-url names"))
        }));
        lines.extend(own_alone(&config).map(|warning| line("warning", warning)));
        lines.extend(misspelt(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())));
        Ok(lines)
    }
}

fn line(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<18}{value}")
}

fn identity(config: &Config, site: &Site) -> Vec<String> {
    let region = config.own_region();
    let kept = config.data_dir.as_ref().is_some_and(|folder| Store::exists(folder));
    let unnamed = if kept { "the name in the data directory" } else { "a random name" };
    let name = config.own_name().map_or_else(|| unnamed.to_owned(), |name| name.to_string());
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    let disk = match &config.data_dir {
        None => "none".to_owned(),
        Some(folder) if kept => format!("{}, which has facts", folder.display()),
        Some(folder) => format!("{}, which has no facts yet", folder.display()),
    };
    let lists = [
        ("public address", shown(&config.public_url)),
        ("trusted proxies", shown(&config.trusted_proxy)),
        ("sites", shown(&config.site)),
        ("sites file", config.sites_file.as_ref().map(|file| file.display().to_string())),
        ("webhooks", shown(&config.webhooks.webhook_url)),
        ("secrets", shown(&config.secrets.given())),
    ];
    let mut lines = vec![
        line("region", format_args!("{region}: {}", place(config, site, &region).name)),
        line("node", name),
        line("listens on", format_args!("{scheme}://{}", config.listen)),
        line("data directory", disk),
    ];
    lines.extend(lists.into_iter().filter_map(|(name, list)| Some(line(name, list?))));
    lines.extend(config.metrics_listen.map(|address| line("metrics", format_args!("http://{address}/metrics"))));
    lines
}

fn shown<T: ToString>(list: &[T]) -> Option<String> {
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// Reads the files of an authority of the operator's own.
fn check_authority(config: &Config) -> anyhow::Result<()> {
    if let (Some(ca), Some(certificate), Some(key)) = (&config.mesh_ca, &config.mesh_cert, &config.mesh_key) {
        let files = Authority::Files { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() };
        Trust::new(&files, "check", NodeHash(0))?;
    }
    Ok(())
}

async fn mesh(config: &Config) -> Vec<String> {
    if let Some(servers) = shown(&config.nats.mesh) {
        let creds = config.nats.mesh_creds.as_ref().map(|file| line("credentials", file.display()));
        let lines = vec![line("mesh", format_args!("through NATS: {servers}"))];
        let name = config.nats.mesh_name.as_ref().map(|name| line("name of the mesh", name));
        return lines.into_iter().chain(name).chain(creds).collect();
    }
    let Some(listen) = &config.mesh_listen else { return vec![line("mesh", "none")] };
    let mut lines = vec![line("mesh", listen)];
    lines.extend(shown(&config.mesh_advertise).map(|addresses| line("mesh address", addresses)));
    for peer in &config.mesh_peer {
        let found = match MeshAddress::parse(peer) {
            Ok(address) => look_up(&address).await,
            Err(_) => Vec::new(),
        };
        let resolved = shown(&found).unwrap_or_else(|| "does not resolve now".to_owned());
        lines.push(line("other node", format_args!("{peer}: {resolved}")));
        let all: Vec<_> = MeshAddress::parse(peer).iter().flat_map(|one| found.iter().map(|n| one.at(*n))).collect();
        if is_own(config, listen, &all) {
            lines.push(line("warning", format_args!("--mesh-peer {peer} is this node itself: name another one")));
        }
    }
    lines
}

/// Whether these are addresses of this node alone. A name that also stands for others is as good as theirs.
fn is_own(config: &Config, listen: &str, found: &[MeshAddress]) -> bool {
    let parsed = |addresses: &[String]| addresses.iter().filter_map(|text| MeshAddress::parse(text).ok()).collect();
    let own = OwnAddresses { listen: parsed(&[listen.to_owned()]), advertise: parsed(&config.mesh_advertise) };
    let interfaces = OwnAddresses::interfaces().unwrap_or_default();
    !found.is_empty() && found.iter().all(|address| own.contains(address, &interfaces))
}

/// The names that visitors use over TLS.
fn secure_hosts(config: &Config) -> impl Iterator<Item = &str> {
    let secure = config.public_url.iter().filter(|origin| origin.is_secure());
    secure.map(|origin| match origin.host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => &origin.host,
    })
}

fn limits(config: &Config) -> Vec<String> {
    let memory = MemoryUse::new(config.limits.memory).limit_bytes();
    let memory = memory.map_or_else(|| "no limit".to_owned(), |bytes| format!("{} MiB", bytes / MIB));
    vec![line("connections", connections_max(config.limits.connections)), line("memory", memory)]
}

/// What is allowed, and rarely wanted where visitors come from the internet.
fn warnings(config: &Config, site: &Site, keys: &ApiKeys) -> Vec<String> {
    let secure = config.public_url.iter().any(crate::Origin::is_secure);
    let region = config.own_region();
    let has_no_place = place(config, site, &region).location.is_none();
    let all = [
        (
            has_no_place,
            "the region has no place on the map: correct --region, or write --region-name and --region-location",
        ),
        (config.public_url.is_empty(), "no --public-url: only loopback hosts are served"),
        (config.data_dir.is_none(), "no --data-dir: facts are lost at a restart"),
        (
            secure && config.tls_cert.is_none() && config.trusted_proxy.is_empty() && config.edge == crate::Edge::None,
            "no --trusted-proxy: if a proxy ends TLS, all visitors share the limits of its address",
        ),
        (!keys.exist(), "no GP_API_KEY and no --api-keys-file: most of the API is refused"),
        (
            connections_max(config.limits.connections) < config.limits.connections,
            "the limit of open files allows fewer connections than --connections: raise `ulimit -Hn`",
        ),
    ];
    all.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| line("warning", warning)).collect()
}

/// Variables that are no option, with the one that was most likely meant.
fn misspelt(names: impl Iterator<Item = String>) -> Vec<String> {
    let options = Config::augment_args(clap::Command::new("check"));
    let options = options.get_arguments().filter_map(|option| option.get_env()?.to_str().map(str::to_owned));
    let known: Vec<String> = options.chain(Secrets::NAMES.map(str::to_owned)).collect();
    let wrong = names.filter(|name| name.starts_with("GP_") && !known.contains(name));
    let meant = wrong.filter_map(|name| {
        let nearest = known.iter().min_by_key(|known| damerau_levenshtein(known, &name))?;
        // Two slips in a long name, one in a short one. Programs have further variables.
        let near = damerau_levenshtein(nearest, &name) <= 1 + name.len() / 12;
        near.then(|| line("warning", format_args!("{name} is no option; {nearest} is")))
    });
    meant.collect()
}

#[cfg(test)]
mod tests;

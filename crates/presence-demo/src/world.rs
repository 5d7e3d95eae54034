//! `global-presence world`: six regions on one machine.

mod children;
mod nats_servers;
mod ocean;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use children::Children;
use nats_servers::NatsServers;

/// Amsterdam, Ashburn, London, Chennai, Santiago, Toronto.
pub(crate) const REGIONS: [&str; 6] = ["ams", "iad", "lhr", "maa", "scl", "yyz"];
/// The edges of a network near each of them: visitors are told that they entered there, as behind a real one.
const EDGES: [[&str; 3]; 6] = [
    ["fra", "cdg", "arn"],
    ["ewr", "atl", "ord"],
    ["man", "dub", "mad"],
    ["bom", "sin", "hyd"],
    ["eze", "gru", "lim"],
    ["yul", "bos", "ord"],
];

/// It usually takes 3 s; after this time the addresses are shown anyway.
const FORMED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Starts six regions (Amsterdam, Ashburn, London, Chennai, Santiago, Toronto) on this machine, until Ctrl-C
#[derive(Args, Debug)]
pub(crate) struct World {
    /// The first region's port; the others take the next five, for HTTP over TCP and for each other over UDP. NATS servers take
    /// the six ports after these
    #[arg(long, env = "GP_WORLD_PORT", value_name = "PORT", default_value = "4000", value_parser = clap::value_parser!(u16).range(1..=65_524))]
    port: u16,

    /// What links the regions. For NATS, nats-server has to be installed: three are started, joined as gateways, and ended with the
    /// regions. They simulate no delays
    #[arg(long, env = "GP_WORLD_MESH", value_name = "CARRIER", default_value = "quic")]
    mesh: WorldMesh,

    /// Where the regions keep what is written [default: a new folder, removed at the end]
    #[arg(long, env = "GP_WORLD_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// Simulates no network delays between the regions
    #[arg(long)]
    no_wan: bool,

    /// What the regions log: error, warn, info, debug
    #[arg(long, env = "GP_WORLD_LOG", value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// What links the regions.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum WorldMesh {
    Quic,
    Nats,
}

/// One region of the world.
struct WorldRegion {
    code: &'static str,
    edges: &'static [&'static str],
    port: u16,
    location: (f64, f64),
    name: String,
}

impl WorldRegion {
    fn mesh_address(&self) -> String {
        format!("quic/127.0.0.1:{}", self.port)
    }
}

impl World {
    /// Runs until Ctrl-C or SIGTERM.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let places = self.places()?;
        free(self.port, if self.mesh == WorldMesh::Nats { 12 } else { 6 })?;
        let folder = DataFolder::new(self.data_dir.as_deref())?;
        let mut stop = StopSignals::new()?;
        let servers = match self.mesh {
            WorldMesh::Quic => None,
            WorldMesh::Nats => Some(NatsServers::start(self.port + 6, &folder.path).await?),
        };
        say(&format!("Starting six regions: {}.", REGIONS.join(", ")));
        let mesh = |place: &WorldRegion| match &servers {
            Some(servers) => vec!["--mesh".to_owned(), servers.url_for(place.code)],
            None => self.own_links(place, &places),
        };
        let mut children = Children::start(&places, &folder.path, &self.log, mesh)?;
        tokio::select! {
            () = stop.asked() => {}
            all_gone = children.watch() => return all_gone,
            () = self.show(&places, &folder) => {}
        }
        say("\nStopping; browsers are told to look for another region. Ctrl-C again ends it at once.");
        tokio::select! {
            () = children.stop() => {}
            () = stop.asked() => children.kill().await,
        }
        // After the regions, which tell each other through them that they leave.
        if let Some(servers) = servers {
            servers.stop().await;
        }
        say("All regions have stopped.");
        Ok(())
    }

    /// The options of a region that listens for the others and dials them.
    fn own_links(&self, place: &WorldRegion, places: &[WorldRegion]) -> Vec<String> {
        let mut options = vec!["--mesh-listen".to_owned(), place.mesh_address()];
        for other in places.iter().filter(|other| other.code != place.code) {
            options.extend(["--mesh-peer".to_owned(), other.mesh_address()]);
            if !self.no_wan {
                let ms = ocean::one_way(other, place).as_millis();
                options.extend(["--mesh-delay".to_owned(), format!("{}={ms}", other.mesh_address())]);
            }
        }
        options
    }

    fn places(&self) -> anyhow::Result<Vec<WorldRegion>> {
        let place = |(number, (code, edges)): (u16, (&&'static str, &'static [&'static str; 3]))| {
            let place = presence_demo::place(code).with_context(|| format!("{code} is in no table"))?;
            let location = place.location.with_context(|| format!("{code} is nowhere"))?;
            Ok(WorldRegion { code, edges, port: self.port + number, location, name: place.name })
        };
        (0..).zip(REGIONS.iter().zip(&EDGES)).map(place).collect()
    }

    /// Shows how the regions find each other, then their addresses; never returns.
    async fn show(&self, places: &[WorldRegion], folder: &DataFolder) {
        let began = Instant::now();
        let mut shown = String::new();
        let mut formed = false;
        while !formed && began.elapsed() < FORMED_WITHIN {
            let mut line = String::from("  regions heard:");
            formed = true;
            for place in places {
                let heard = heard_by(place.port).await;
                formed &= heard == REGIONS.len() as u64;
                line += &format!("  {} {heard}/{}", place.code, REGIONS.len());
            }
            if line != shown {
                say(&format!("{:5.1} s{line}", began.elapsed().as_secs_f32()));
                shown = line;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let outcome =
            if formed { "Every region hears every other." } else { "Some regions don't hear each other yet." };
        say(&format!("\n{outcome}\n{}", self.words(places, folder)));
        std::future::pending().await
    }

    fn words(&self, places: &[WorldRegion], folder: &DataFolder) -> String {
        let mut words = String::from("\n");
        for place in places {
            words += &format!("  http://{}.localhost:{:<6}{}\n", place.code, place.port, place.name);
        }
        let [a, b] = [&places[0], &places[1]];
        words += &format!(
            "\nOpen two of them: your browser sends each host its own cookie, so you count as two people. Two tabs of one\n\
             host are one person with two tabs. To be one person in two regions, open the same host on another\n\
             region's port (cookies do not depend on the port): http://{}.localhost:{} is in {}.\n",
            a.code, b.port, b.name
        );
        words += &if self.no_wan || self.mesh == WorldMesh::Nats {
            "\nMessages between regions are not delayed.\n".to_owned()
        } else {
            ocean::words(places)
        };
        words += &folder.words();
        words + "\nCtrl-C stops them all."
    }
}

/// Fails if a port is taken: a child could not be told apart from the program on its port.
fn free(first: u16, count: u16) -> anyhow::Result<()> {
    for port in first..first + count {
        let at = (Ipv4Addr::LOCALHOST, port);
        let taken = TcpListener::bind(at).map(drop).and_then(|()| UdpSocket::bind(at).map(drop)).err();
        if let Some(error) = taken {
            anyhow::bail!("port {port} can't be used ({error}): choose {count} others by --port, such as --port 5000");
        }
    }
    Ok(())
}

/// Returns how many regions this one hears, including itself; 0 while it does not answer.
async fn heard_by(port: u16) -> u64 {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        stream.write_all(b"GET /api/v1/mesh HTTP/1.0\r\nHost: localhost\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.take(64 * 1_024).read_to_string(&mut answer).await.ok()?;
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        body.get("regions_heard")?.as_u64()
    };
    timeout(Duration::from_secs(1), ask).await.ok().flatten().unwrap_or(0)
}

/// The folder of all data directories.
struct DataFolder {
    path: PathBuf,
    temporary: bool,
}

impl DataFolder {
    fn new(told: Option<&Path>) -> anyhow::Result<Self> {
        let unique = format!("global-presence-world-{}-{:08x}", std::process::id(), u32::from_ne_bytes(random()?));
        let path = told.map_or_else(|| std::env::temp_dir().join(unique), Path::to_path_buf);
        std::fs::create_dir_all(&path).with_context(|| format!("the folder {} can't be made", path.display()))?;
        Ok(Self { path, temporary: told.is_none() })
    }

    fn words(&self) -> String {
        if self.temporary {
            "\nWhat is written is removed at the end; --data-dir FOLDER keeps it.\n".to_owned()
        } else {
            format!("\nWhat is written stays in {}.\n", self.path.display())
        }
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Ctrl-C, and what a service manager sends.
struct StopSignals {
    interrupted: Signal,
    terminated: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupted: signal(SignalKind::interrupt())?, terminated: signal(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no random numbers: {error}"))?;
    Ok(bytes)
}

/// Prints a line. A closed terminal must not end this process before its children.
fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{words}").and_then(|()| out.flush());
}

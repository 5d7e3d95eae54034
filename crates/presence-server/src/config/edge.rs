//! The CDNs whose headers a node understands.

use clap::ValueEnum;

/// The CDN in front of a node, which names its edge region in a header.
///
/// ```
/// use presence_server::{Config, Edge};
///
/// assert_eq!(Config::of(["--edge", "fly"]).unwrap().edge, Edge::Fly);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Edge {
    /// Fly.io: `Fly-Region`, from Fly's own proxies.
    Fly,
    /// Cloudflare: the end of `CF-Ray`.
    Cloudflare,
    /// CloudFront: `X-Amz-Cf-Pop`, which an edge function must add to requests.
    Cloudfront,
    /// Fastly: `X-Forwarded-Server`, or `X-Served-By` if its configuration adds that to requests.
    Fastly,
    /// No CDN.
    None,
}

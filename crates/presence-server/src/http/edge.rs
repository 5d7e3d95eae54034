//! The edge region that a request entered by, in the header of each CDN.

use axum::http::HeaderMap;
use presence_core::Region;

use crate::config::Edge;

/// Returns the code of the edge region, in lower case. The headers are those of a trusted proxy.
pub(super) fn region(edge: Edge, headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let code = match edge {
        Edge::Fly => text("fly-region")?.trim(),
        // 8f1e2d3c4b5a6978-FRA
        Edge::Cloudflare => after_dash(text("cf-ray")?)?,
        // FRA56-P4
        Edge::Cloudfront => text("x-amz-cf-pop")?.trim().get(..3)?,
        // cache-fra-eddf8230121-FRA, cache-iad-kiad7000123-IAD: the edge, then a shield
        Edge::Fastly => {
            let servers = text("x-forwarded-server").into_iter().chain(text("x-served-by"));
            let mut servers = servers.flat_map(|list| list.split(',')).map(str::trim);
            after_dash(servers.find(|server| server.starts_with("cache-"))?)?
        }
        Edge::None => return None,
    };
    let code = code.to_ascii_lowercase();
    Region::new(&code).map(|_| code)
}

fn after_dash(text: &str) -> Option<&str> {
    text.trim().rsplit_once('-').map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(edge: Edge, name: &'static str, value: &str) -> Option<String> {
        region(
            edge,
            &[(name, value)].iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        )
    }

    #[test]
    fn each_cdn_names_the_edge_in_its_own_way() {
        for (edge, name, value, code) in [
            (Edge::Fly, "fly-region", "FRA", "fra"),
            (Edge::Cloudflare, "cf-ray", "8f1e2d3c4b5a6978-FRA", "fra"),
            (Edge::Cloudfront, "x-amz-cf-pop", "FRA56-P4", "fra"),
            (
                Edge::Fastly,
                "x-forwarded-server",
                "proxy.example, cache-fra-eddf8230121-FRA, cache-iad-kiad7-IAD",
                "fra",
            ),
            (Edge::Fastly, "x-served-by", "cache-fra19132-FRA", "fra"),
        ] {
            assert_eq!(read(edge, name, value).as_deref(), Some(code), "{value}");
            assert_eq!(read(Edge::None, name, value), None);
            for other in [Edge::Fly, Edge::Cloudflare, Edge::Cloudfront, Edge::Fastly] {
                assert_eq!(read(other, name, value).is_some(), other == edge, "{other:?} does not read {name}");
            }
        }
    }

    #[test]
    fn what_names_no_region_is_no_edge() {
        for edge in [Edge::Fly, Edge::Cloudflare, Edge::Cloudfront, Edge::Fastly] {
            for name in ["fly-region", "cf-ray", "x-amz-cf-pop", "x-forwarded-server", "x-served-by"] {
                for value in ["", "-", "8f1e2d3c4b5a6978", "cache-", "<b>", "x-<b>", "F", "cache-fra-", ","] {
                    let found = read(edge, name, value);
                    assert!(found.as_deref().is_none_or(|code| Region::new(code).is_some()), "{value}: {found:?}");
                    assert!(!found.is_some_and(|code| code.contains('<')));
                }
            }
        }
    }
}

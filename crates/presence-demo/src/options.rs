//! What operators decide about the page.

use clap::Args;
use presence_core::PublicId;

/// Options of the page.
#[derive(Args, Clone, Default, Debug)]
pub struct PageOptions {
    /// The address of the source code of this program, which the page links to [default: no link]
    #[arg(long, env = "GP_SOURCE_URL", value_name = "URL", value_parser = web_address, help_heading = "Page")]
    pub source_url: Option<String>,

    /// An edge region that the page names though no CDN is in front of it; repeatable: each visitor keeps one of them
    #[arg(long, value_name = "CODE", hide = true)]
    pub pretend_edge: Vec<String>,
}

impl PageOptions {
    /// The edge region that a visitor is shown, the same at each load.
    pub(crate) fn pretended_edge(&self, user: PublicId) -> Option<&str> {
        let at = usize::from(user.0[0]) % self.pretend_edge.len().max(1);
        self.pretend_edge.get(at).map(String::as_str)
    }
}

fn web_address(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !text.contains(char::is_whitespace) => Ok(text.to_owned()),
        _ => Err("write an address that begins with https:// or http://".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_of_the_web() {
        for right in ["https://example.org/presence", "http://git.localhost:3000/"] {
            assert_eq!(web_address(right).as_deref(), Ok(right));
        }
        for wrong in ["", "example.org", "https://", "javascript:alert(1)", "https://a b"] {
            assert!(web_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_visitor_keeps_one_pretended_edge() {
        let options = PageOptions { pretend_edge: vec!["fra".to_owned(), "cdg".to_owned()], ..PageOptions::default() };
        let edge = |user| options.pretended_edge(PublicId([user; 32]));
        assert_eq!([edge(0), edge(1), edge(2)], [Some("fra"), Some("cdg"), Some("fra")]);
        assert_eq!(PageOptions::default().pretended_edge(PublicId([7; 32])), None);
    }
}

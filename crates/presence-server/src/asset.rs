//! Files that pages refer to, named by their content, so that browsers cache them for ever.

use std::borrow::Cow;
use std::io::Write as _;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::sha256;

/// A file that pages refer to. Its path changes with its content, so browsers may cache it for ever.
///
/// ```
/// use std::sync::LazyLock;
///
/// use presence_server::{Asset, Site};
///
/// static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("lamp.css", b"body { margin: 0 }"));
///
/// let site = Site { assets: vec![STYLE.clone()], ..Site::new("lamp") };
/// let link = format!(r#"<link rel="stylesheet" href="{}">"#, STYLE.path);
/// assert!(link.contains("/assets/lamp-") && site.assets[0].path == STYLE.path);
/// ```
#[derive(Clone, Debug)]
pub struct Asset {
    /// `/assets/app-1a2b3c4d5e.js`.
    pub path: Cow<'static, str>,
    /// `text/javascript; charset=utf-8`.
    pub content_type: Cow<'static, str>,
    /// The uncompressed content.
    pub body: Bytes,
    /// The content as gzip, if that is smaller.
    pub gzip: Option<Bytes>,
    /// The content as brotli, if that is smaller.
    pub brotli: Option<Bytes>,
}

impl Asset {
    /// A file of the app: `Asset::new("style.css", include_bytes!("style.css"))`. Its type follows from its extension, and its
    /// path contains a hash of the content. It is compressed here, so keep it in a `LazyLock`.
    ///
    /// ```
    /// use presence_server::Asset;
    ///
    /// let style = Asset::new("style.css", b"body { margin: 0 } p { margin: 0 } h1 { margin: 0 } h2 { margin: 0 }");
    /// assert!(style.path.starts_with("/assets/style-") && style.path.ends_with(".css"));
    /// assert_eq!(style.content_type, "text/css; charset=utf-8");
    /// assert!(style.gzip.is_some_and(|bytes| bytes.len() < style.body.len()));
    /// ```
    pub fn new(name: &str, body: &'static [u8]) -> Self {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let hash = HEXLOWER.encode(&sha256(body)[..5]);
        let dot = if extension.is_empty() { "" } else { "." };
        Self::at(format!("/assets/{stem}-{hash}{dot}{extension}"), body)
    }

    /// A file at an address that others know, such as `/robots.txt`. Browsers ask again after 300 s. It must not be below
    /// `/assets/`, where files never change.
    ///
    /// ```
    /// use presence_server::{Asset, Site};
    ///
    /// let robots = Asset::at("/robots.txt", b"User-agent: *\nAllow: /\n");
    /// let icon = Asset::at("/favicon.ico", b"\0\0\x01\0");
    /// assert_eq!((&*robots.content_type, &*icon.content_type), ("text/plain; charset=utf-8", "image/x-icon"));
    /// let site = Site { assets: vec![robots, icon], ..Site::new("shop") };
    /// # assert_eq!(site.assets.len(), 2);
    /// ```
    pub fn at(path: impl Into<Cow<'static, str>>, body: &'static [u8]) -> Self {
        let path = path.into();
        Self {
            content_type: content_type(&path),
            path,
            body: Bytes::from_static(body),
            gzip: Some(gzip(body)).filter(|bytes| bytes.len() < body.len()),
            brotli: None,
        }
    }
}

/// The type by the extension. Texts of an app are in UTF-8, as its source files are.
fn content_type(path: &str) -> Cow<'static, str> {
    let kind = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    if kind.starts_with("text/") { format!("{kind}; charset=utf-8").into() } else { kind.into() }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_changes_with_the_content() {
        let path = |body| Asset::new("icon.svg", body).path;
        assert_eq!(path(b"<svg/>"), path(b"<svg/>"));
        assert_ne!(path(b"<svg/>"), path(b"<svg />"));
        assert!(Asset::new("LICENSE", b"MIT").path.starts_with("/assets/LICENSE-"));
    }

    #[test]
    fn the_type_follows_from_the_extension() {
        for (path, kind) in [
            ("style.css", "text/css; charset=utf-8"),
            ("page.js", "text/javascript; charset=utf-8"),
            ("data.json", "application/json"),
            ("icon.svg", "image/svg+xml"),
            ("photo.JPG", "image/jpeg"),
            ("font.woff2", "font/woff2"),
            ("site.webmanifest", "application/manifest+json"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(Asset::new(path, b"").content_type, kind, "{path}");
        }
    }

    #[test]
    fn a_file_that_compression_makes_larger_is_sent_uncompressed() {
        let tiny = Asset::new("a.txt", b"a");
        assert_eq!((tiny.gzip, tiny.brotli, &tiny.body[..]), (None, None, &b"a"[..]));
    }
}

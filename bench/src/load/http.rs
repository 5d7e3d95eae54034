//! As much of HTTP as the load needs: keep-alive requests, and where a response ends.

use memchr::memmem::find;

/// A complete response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpResponse<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
    /// Length in bytes.
    pub(crate) length: usize,
}

/// Makes a request; each header ends with a line break.
pub(crate) fn request(method: &str, host: &str, path: &str, headers: &str, body: &str) -> String {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
    };
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n{body}")
}

/// Reads the first response, or returns `None` while it is incomplete. A chunked body stays chunked.
pub(crate) fn response(bytes: &[u8]) -> Option<HttpResponse<'_>> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let rest = &bytes[end..];
    let chunked = header(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = match header(head, "content-length").and_then(|length| length.parse().ok()) {
        Some(length) => length,
        None if chunked => find(rest, b"0\r\n\r\n").filter(|at| *at == 0 || rest[at - 1] == b'\n')? + 5,
        None => 0,
    };
    Some(HttpResponse { status, head, body: rest.get(..length)?, length: end + length })
}

/// Returns the value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_ends_at_its_content_length() {
        let bytes = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nSet-Cookie: a=b; Path=/\r\n\r\nokHTTP/1.1";
        let response = response(bytes).unwrap();
        assert_eq!((response.status, response.body, response.length), (202, &b"ok"[..], bytes.len() - 8));
        assert_eq!(header(response.head, "set-cookie"), Some("a=b; Path=/"));
        assert_eq!(super::response(&bytes[..response.length - 1]), None);
    }

    #[test]
    fn a_chunked_response_ends_with_an_empty_chunk() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(response(bytes).map(|response| response.length), Some(bytes.len()));
        assert_eq!(response(&bytes[..bytes.len() - 2]), None);
    }

    #[test]
    fn a_request_has_the_length_of_its_body() {
        let post = request("POST", "localhost:1", "/api", "Authorization: Bearer k\r\n", "{}");
        assert!(post.ends_with("Content-Length: 2\r\n\r\n{}") && post.contains("\r\nAuthorization: Bearer k\r\n"));
        assert!(request("GET", "a", "/", "", "").ends_with("Host: a\r\n\r\n"));
    }
}

//! A store that files are posted to. ureq is named here only.
//!
//! ureq without its features is a client over plain TCP, in eight small packages; the feature `tls` brings rustls for `https`,
//! with the roots of Mozilla's list.

use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Uri};
use ureq::{Agent, Error};

use crate::json;
use crate::text::start_of;

/// How long a connection may take, and one file.
const CONNECT: Duration = Duration::from_secs(10);
const REQUEST: Duration = Duration::from_secs(120);
/// The longest that a store may ask us to wait.
const WISH_MAX: Duration = Duration::from_secs(300);

/// A header of every request.
pub type Header = (HeaderName, HeaderValue);

/// What became of a file.
#[derive(Debug)]
pub enum Answer {
    /// The store has it.
    Taken,
    /// The store does not want it as it is, for this reason.
    Refused(String),
    /// It may take it later: why not now, and how long it asks us to wait.
    Later(String, Option<Duration>),
}

/// The store.
pub struct Store<'s> {
    agent: Agent,
    url: &'s str,
    headers: &'s [Header],
}

impl<'s> Store<'s> {
    /// Nothing is asked of it yet.
    pub fn new(url: &'s str, headers: &'s [Header]) -> Store<'s> {
        let config = Agent::config_builder()
            // Each status means something of its own here; a redirected POST would become a GET without a body.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(REQUEST))
            .user_agent(concat!("memtrace/", env!("CARGO_PKG_VERSION")))
            .build();
        Store { agent: config.into(), url, headers }
    }

    /// Posts a file. `name` tells it from all others.
    pub fn post(&self, name: &str, body: &[u8]) -> Answer {
        let kind =
            if json::is_json(body) && !body.is_empty() { "application/json" } else { "application/octet-stream" };
        let mut request = self.agent.post(self.url).header("Content-Type", kind).header("Idempotency-Key", name);
        // The user's come last, and replace ours.
        if let Some(headers) = request.headers_mut() {
            self.headers.iter().for_each(|(name, value)| drop(headers.insert(name.clone(), value.clone())));
        }
        match request.send(body) {
            Ok(response) => {
                let wish = response.headers().get("Retry-After").and_then(|wish| wish.to_str().ok());
                judge(response.status().as_u16(), wish)
            }
            Err(error) => failed(&error),
        }
    }
}

/// What a status means for the file.
fn judge(status: u16, wish: Option<&str>) -> Answer {
    let wish =
        wish.and_then(|seconds| seconds.trim().parse().ok()).map(|seconds| Duration::from_secs(seconds).min(WISH_MAX));
    match status {
        200..=299 => Answer::Taken,
        // Too slow, too early, too many, or trouble of the store's own.
        408 | 425 | 429 | 500..=599 => Answer::Later(format!("status {status}"), wish),
        300..=399 => Answer::Refused(format!("status {status}, a redirection: name its goal instead")),
        _ => Answer::Refused(format!("status {status}")),
    }
}

fn failed(error: &Error) -> Answer {
    let words = start_of(&error.to_string());
    match error {
        Error::Http(_) | Error::BadUri(_) | Error::InvalidProxyUrl | Error::Tls(_) => Answer::Refused(words),
        _ => Answer::Later(words, None),
    }
}

/// For clap: a URL that can be posted to.
pub fn parse_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "expected a URL as `http://host:port/path`".to_owned())?;
    match uri.scheme_str() {
        _ if uri.host().is_none_or(str::is_empty) => Err("expected a URL as `http://host:port/path`".into()),
        Some("http") => Ok(text.to_owned()),
        Some("https") if cfg!(feature = "tls") => Ok(text.to_owned()),
        Some("https") => {
            Err("this memtrace was built without TLS, expected `http:`, or a build with `--features tls`".into())
        }
        _ => Err("expected `http:` or `https:`".into()),
    }
}

/// For clap: `Name: value`.
pub fn parse_header(text: &str) -> Result<Header, String> {
    let expected = || "expected `Name: value`".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(expected)?;
    let name = name.trim().parse().map_err(|_| expected())?;
    let mut value: HeaderValue = value.trim().parse().map_err(|_| expected())?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_the_store_has_it_may_take_it_or_does_not_want_it() {
        for (status, is) in [(200, "Taken"), (204, "Taken"), (301, "Refused"), (400, "Refused"), (401, "Refused")] {
            assert!(format!("{:?}", judge(status, None)).starts_with(is), "{status}");
        }
        for status in [408, 425, 429, 500, 503] {
            assert!(matches!(judge(status, None), Answer::Later(_, None)), "{status}");
        }
        assert!(matches!(judge(503, Some("7")), Answer::Later(_, Some(wish)) if wish == Duration::from_secs(7)));
        assert!(matches!(judge(503, Some("999999")), Answer::Later(_, Some(WISH_MAX))));
        assert!(matches!(judge(503, Some("Fri, 31 Dec 1999 23:59:59 GMT")), Answer::Later(_, None)));
    }

    #[test]
    fn urls_and_headers_are_read() {
        for url in ["http://127.0.0.1:4040/ingest?name=app&format=pprof", "http://[::1]/", "http://store"] {
            assert_eq!(parse_url(url).as_deref(), Ok(url));
        }
        for url in ["", "store:4040", "/ingest", "ftp://store/", "http://", "http:///x", "http://a b/"] {
            assert!(parse_url(url).is_err(), "{url}");
        }
        assert_eq!(parse_url("https://store/").is_ok(), cfg!(feature = "tls"));
        let (name, value) = parse_header("X-Scope-OrgID: a:b").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-scope-orgid", "a:b"));
        for text in ["", "a", "a b: c", "a: b\nc: d", ": x"] {
            assert!(parse_header(text).is_err(), "{text}");
        }
    }
}

//! The names by which the server may be called.
//!
//! A page of another site can have its own name lead to this machine (DNS rebinding), and then the browser takes the server for a
//! part of that site. Such a request has the name of the site in `Host`. Addresses are no names, so they are always right.

use std::net::{IpAddr, Ipv6Addr};

/// Names that are allowed beside addresses and `localhost`.
#[derive(Clone, Debug, Default)]
pub struct HostNames {
    names: Vec<String>,
}

impl HostNames {
    /// These names, without ports.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self { names: names.into_iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether a value of `Host` is allowed.
    pub(crate) fn allows(&self, authority: &str) -> bool {
        let Some(name) = name_of(authority) else { return false };
        let name = name.to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok() || name == "localhost" || self.names.contains(&name)
    }

    /// Whether a value of `Origin` is that of the server, which is called by `host`.
    pub(crate) fn is_own(&self, origin: &str, host: &str) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let Some(authority) = authority else { return false };
        if authority.eq_ignore_ascii_case(host) {
            return true;
        }
        // A proxy may call the server by another name than browsers do.
        name_of(authority).is_some_and(|name| self.names.contains(&name.to_ascii_lowercase()))
    }
}

/// The name or the address without the port.
fn name_of(authority: &str) -> Option<&str> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let plain = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return Some(address).filter(|address| plain && address.parse::<Ipv6Addr>().is_ok());
    }
    match authority.split_once(':') {
        Some((name, port)) => Some(name).filter(|name| !name.is_empty() && is_port(port)),
        None => Some(authority).filter(|name| !name.is_empty()),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_is_refused() {
        let hosts = HostNames::new(["Runs.example".to_owned()]);
        for good in
            ["127.0.0.1:8080", "[::1]:8080", "localhost", "LOCALHOST:9", "10.0.0.7", "runs.example:443"]
        {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "127.0.0.1.evil.example",
            "[::1",
            "[x]",
            ":80",
            "a:b",
            "localhost:99999",
        ] {
            assert!(!hosts.allows(bad), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_own_when_it_is_the_host_or_a_name() {
        let hosts = HostNames::new(["runs.example".to_owned()]);
        assert!(hosts.is_own("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(hosts.is_own("https://runs.example", "127.0.0.1:8080"));
        for foreign in
            ["null", "http://127.0.0.1:9090", "http://localhost:8080", "file://", "https://evil.example"]
        {
            assert!(!hosts.is_own(foreign, "127.0.0.1:8080"), "{foreign}");
        }
    }
}

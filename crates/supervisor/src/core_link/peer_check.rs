//! Whether it is our core that has connected.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use nix::unistd::{Pid, geteuid, getsid};
use roboppi_process::descendants;
use tokio::net::{TcpStream, UnixStream};

/// Whether this connection comes from the process `core`, or from one that it started. Where the system does not
/// tell the process, its user has to do.
pub(super) fn is_core_at_socket(stream: &UnixStream, core: u32) -> bool {
    let Ok(peer) = stream.peer_cred() else { return false };
    // A process that cannot be seen from here has the number 0.
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    peer.uid() == geteuid().as_raw() && pid.is_none_or(|pid| belongs(pid, core))
}

/// The same for a connection on this host, of which the system does not say directly whose it is.
pub(super) fn is_core_at_port(stream: &TcpStream, core: u32) -> bool {
    let (Ok(SocketAddr::V4(here)), Ok(SocketAddr::V4(there))) = (stream.local_addr(), stream.peer_addr())
    else {
        return false;
    };
    let mut tables = ["/proc/net/tcp", "/proc/net/tcp6"].iter().map(fs::read_to_string).peekable();
    if tables.peek().is_none_or(Result::is_err) {
        // No such tables in this system.
        return true;
    }
    let (here, there) = (address(*here.ip(), here.port()), address(*there.ip(), there.port()));
    tables
        .flatten()
        .find_map(|table| owner(&table, &there, &here))
        .is_some_and(|(user, inode)| user == geteuid().as_raw() && holds(core, inode).unwrap_or(true))
}

/// An address as it is, or ends, in the tables of the system.
fn address(ip: Ipv4Addr, port: u16) -> String {
    format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip.octets()))
}

/// User and inode of the socket that is bound to `from` and connected to `to`.
fn owner(table: &str, from: &str, to: &str) -> Option<(u32, u64)> {
    let row = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>()).find(|row| {
        row.get(1).is_some_and(|address| address.ends_with(from))
            && row.get(2).is_some_and(|address| address.ends_with(to))
    })?;
    Some((row.get(7)?.parse().ok()?, row.get(9)?.parse().ok()?))
}

/// Whether the core, or a process that it started, has this socket open; an error when none of them shows what it
/// has open.
fn holds(core: u32, inode: u64) -> io::Result<bool> {
    let target = format!("socket:[{inode}]");
    let has = |pid: u32| -> io::Result<bool> {
        let mut open = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
        Ok(open
            .any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == target.as_str())))
    };
    let mut found = has(core);
    for process in descendants::list(core) {
        if matches!(found, Ok(true)) {
            break;
        }
        found = has(process.identity.pid).or(found);
    }
    found
}

fn belongs(pid: u32, core: u32) -> bool {
    // It was started as the leader of a session, which holds also what has lost its parent.
    let session = i32::try_from(pid).ok().and_then(|pid| getsid(Some(Pid::from_raw(pid))).ok());
    session.is_some_and(|session| u32::try_from(session.as_raw()) == Ok(core))
        || descendants::list(core).iter().any(|process| process.identity.pid == pid)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_has_the_process_that_made_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(is_core_at_port(&stream, std::process::id()));
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let stranger = is_core_at_port(&stream, other.id());
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!stranger, "the socket is not that of a process beside us");
    }

    #[test]
    fn both_tables_are_understood() {
        let from = address(Ipv4Addr::LOCALHOST, 0xAB12);
        let to = address(Ipv4Addr::LOCALHOST, 80);
        for prefix in ["", "0000000000000000FFFF0000"] {
            let row = |from: &str, to: &str| {
                format!(
                    "  0: {prefix}{from} {prefix}{to} 01 00000000:00000000 00:00000000 00000000  1000 0 4711 1\n"
                )
            };
            let table = format!("  sl  local_address rem_address st\n{}", row(&from, &to));
            assert_eq!(owner(&table, &from, &to), Some((1000, 4711)));
            assert_eq!(owner(&table, &to, &from), None);
        }
    }
}

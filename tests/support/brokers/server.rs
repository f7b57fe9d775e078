//! A server of a broker that a test starts, kills, stops for a while, and starts again on its port and its data.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

/// How a kind of server is started, and how one sees that it is ready.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) program: &'static str,
    /// How to get it, for people.
    pub(crate) package: &'static str,
    pub(crate) command: fn(&mut Command, port: u16, data: &Path),
    pub(crate) is_ready: fn(SocketAddr) -> bool,
}

/// Redis. With `appendonly yes` and `appendfsync always` what it has acknowledged survives a kill.
pub(crate) const REDIS: Kind = Kind {
    program: "redis-server",
    package: "redis-server (Debian)",
    command: |command, port, data| {
        command.args(["--bind", "127.0.0.1", "--save", "", "--port"]).arg(port.to_string());
        command.arg("--dir").arg(data);
    },
    is_ready: |address| {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
            return false;
        };
        let mut answer = [0; 5];
        stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
            && stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == *b"+PONG"
    },
};

impl Kind {
    /// Says whether it is installed. If not, says what was skipped, and how to get it; in CI that is a failure.
    pub(crate) fn is_there(&self) -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if std::env::split_paths(&path).any(|folder| folder.join(self.program).is_file()) {
            return true;
        }
        let text = format!("{} is not there: install {}", self.program, self.package);
        assert!(std::env::var_os("CI").is_none(), "{text}");
        eprintln!("skipped: {text}");
        false
    }
}

/// A server that runs, or was killed. It ends with this, and its data are removed.
pub(crate) struct Server {
    kind: Kind,
    more: Vec<String>,
    port: u16,
    data: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts one with these arguments beside its own, and waits until it is ready. `None`: [it is not
    /// there](Kind::is_there).
    pub(crate) fn start(kind: Kind, more: &[&str]) -> Option<Self> {
        if !kind.is_there() {
            return None;
        }
        let port = free_port();
        let data = std::env::temp_dir().join(format!("trolleybus-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&data).expect("a folder for its data");
        let more = more.iter().map(|text| (*text).to_owned()).collect();
        let mut server = Self { kind, more, port, data, child: None };
        server.run();
        Some(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Starts it again, on its port and its data, and waits until it is ready.
    pub(crate) fn run(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let mut command = Command::new(self.kind.program);
        (self.kind.command)(&mut command, self.port, &self.data);
        let log = std::fs::File::options().create(true).append(true).open(self.data.join("log"));
        command.args(&self.more).stdin(Stdio::null()).stderr(Stdio::null()).stdout(log.expect("a log"));
        self.child = Some(command.spawn().expect("it is installed"));
        let deadline = Instant::now() + PATIENCE;
        while !(self.kind.is_ready)(self.address()) {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }

    /// Kills it: what it has not written is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }

    /// Stops it in its tracks, with its connections open, until [`resume`](Self::resume).
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

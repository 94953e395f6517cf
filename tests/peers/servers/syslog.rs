//! syslog-ng: it reads RFC 5424 over TCP, TLS and UDP, and writes down each part of each message.

use std::{fmt::Write, process::Command};

use serde_json::Value;

use super::{Ready, Server, ports};
use crate::{certificates::Certificates, collector::installed};

/// A running syslog-ng.
pub struct Syslog {
    pub server: Server,
    /// Where it takes octet-counted frames over TCP: `host:port`.
    pub tcp: String,
    /// The same over TLS, with a certificate for 127.0.0.1.
    pub tls: String,
    /// Where it takes frames that end with a line feed, over TCP.
    pub lines: String,
    /// Where it takes datagrams.
    pub udp: String,
    /// PEM of the authority of its certificate.
    pub ca: String,
    _certificates: Certificates,
}

impl Syslog {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificates = Certificates::new();
        let [tcp, tls, lines, udp] = ports();
        let env = certificates.collector_env();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut config = "@version: 3.38\n\
            options { keep-hostname(yes); use-dns(no); chain-hostnames(no); log-msg-size(1048576); };\n"
            .to_owned();
        let secret = format!(
            "tls(peer-verify(optional-untrusted) cert-file(\"{}\") key-file(\"{}\"))",
            env[0].1, env[1].1
        );
        // `syslog` reads octet-counted frames and `network` reads lines.
        for (name, driver, port, transport) in [
            ("tcp", "syslog", tcp, "transport(tcp)".to_owned()),
            ("tls", "syslog", tls, format!("transport(tls) {secret}")),
            (
                "lines",
                "network",
                lines,
                "transport(tcp) flags(syslog-protocol)".to_owned(),
            ),
            ("udp", "syslog", udp, "transport(udp)".to_owned()),
        ] {
            writeln!(
                config,
                "source {name} {{ {driver}(ip(127.0.0.1) port({port}) {transport}); }};"
            )
            .expect("a string");
        }
        let out = path(OUT);
        writeln!(
            config,
            "destination out {{ file(\"{out}\" template(\"$(format-json {PARTS})\\n\") \
             frac-digits(6) time-zone(\"UTC\")); }};\n\
             log {{ source(tcp); source(tls); source(lines); source(udp); destination(out); }};"
        )
        .expect("a string");
        std::fs::write(path("syslog-ng.conf"), config).expect("writes");
        let mut command = Command::new(installed("syslog"));
        command.arg("--foreground").arg("--stderr").arg("--no-caps");
        for (option, file) in [
            ("--cfgfile", "syslog-ng.conf"),
            ("--persist-file", "persist"),
            ("--control", "control"),
            ("--pidfile", "pid"),
        ] {
            command.arg(format!("{option}={}", path(file)));
        }
        let address = |port| format!("127.0.0.1:{port}");
        Self {
            server: Server::start(
                "syslog-ng",
                folder,
                command,
                Ready::Logged("syslog-ng starting up"),
            )
            .await,
            tcp: address(tcp),
            tls: address(tls),
            lines: address(lines),
            udp: address(udp),
            ca: certificates.ca.clone(),
            _certificates: certificates,
        }
    }

    /// What it has written down, in order: objects with `pri`, `time` (RFC 3339, UTC), `host`,
    /// `app`, `procid`, `msgid`, `sdata` (as it came), `structured` (an object of objects) and
    /// `message`. A part that was `-` is empty, except that its own clock and the sender's address
    /// stand for a time and a host.
    pub fn messages(&self) -> Vec<Value> {
        messages_of(&self.server)
    }
}

/// The [messages](Syslog::messages) of a server.
pub fn messages_of(server: &Server) -> Vec<Value> {
    let text = std::fs::read(server.folder().join(OUT)).unwrap_or_default();
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let whole = lines.filter(|line| line.ends_with(b"\n"));
    whole
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect()
}

const OUT: &str = "messages.jsonl";

const PARTS: &str = "pri=$PRI time=$S_ISODATE host=$HOST app=$PROGRAM procid=$PID msgid=$MSGID \
    sdata=$SDATA message=$MESSAGE --key .SDATA.* --rekey .SDATA.* --shift 7 --add-prefix structured.";

#[tokio::test]
async fn it_reads_each_transport() {
    use tokio::{io::AsyncWriteExt, net::TcpStream};

    let mut syslog = Syslog::start().await;
    let message = "<165>1 2003-10-11T22:14:15.003123Z host.example app 77 ID47 \
        [a@32473 b=\"\\\"c\\\\\\]\"][d@1 e=\"f.g\"] \u{e9}\nsecond line";
    let framed = format!("{} {message}", message.len());
    let mut tcp = TcpStream::connect(&syslog.tcp).await.expect("connects");
    tcp.write_all(framed.as_bytes()).await.expect("writes");
    let mut line = TcpStream::connect(&syslog.lines).await.expect("connects");
    line.write_all(b"<13>1 - - - - - - one\n<13>1 - - - - - - two\n")
        .await
        .expect("writes");
    let udp = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("binds");
    udp.send_to(b"<14>1 - h - - - - datagram", &syslog.udp)
        .await
        .expect("sends");
    let asked = async || {
        let messages = syslog.messages();
        (messages.len() == 4).then_some(messages)
    };
    let messages = super::until("four messages", asked).await;
    let with = |text: &str| {
        let found = messages
            .iter()
            .find(|message| message["message"].as_str() == Some(text));
        found.unwrap_or_else(|| panic!("no {text}: {messages:#?}"))
    };
    let whole = with("\u{e9}\nsecond line");
    for (part, value) in [
        ("pri", "165"),
        ("time", "2003-10-11T22:14:15.003123+00:00"),
        ("host", "host.example"),
        ("app", "app"),
        ("procid", "77"),
        ("msgid", "ID47"),
        ("sdata", "[a@32473 b=\"\\\"c\\\\\\]\"][d@1 e=\"f.g\"]"),
    ] {
        assert_eq!(whole[part], value, "{part}");
    }
    assert_eq!(whole["structured"]["a@32473"]["b"], "\"c\\]");
    assert_eq!(with("one")["pri"], "13");
    with("two");
    assert_eq!(with("datagram")["host"], "h");
    syslog.server.stop().await;
    syslog.server.restart().await;
    assert_eq!(syslog.messages().len(), 4);
}

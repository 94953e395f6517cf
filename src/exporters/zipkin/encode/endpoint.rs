//! The two ends of a call, from the attributes of a span.

use std::net::{IpAddr, SocketAddr};

use super::attribute::Value;
use crate::otlp::AnyValue;

/// One end of a call. Without a name and an address it is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    pub(super) service_name: &'a [u8],
    pub(super) address: Option<IpAddr>,
    /// 0 if it is not known.
    pub(super) port: u16,
}

impl Endpoint<'_> {
    pub(super) const fn is_known(&self) -> bool {
        !self.service_name.is_empty() || self.address.is_some()
    }
}

/// The attributes that say something about an end. The numbers are positions in [`KEYS`].
const SERVICE_PEER_NAME: usize = 0;
const PEER_SERVICE: usize = 1;
const SERVER_ADDRESS: usize = 2;
const SERVER_PORT: usize = 3;
const NET_PEER_NAME: usize = 4;
const NET_PEER_PORT: usize = 5;
const NETWORK_PEER_ADDRESS: usize = 6;
const NETWORK_PEER_PORT: usize = 7;
const SERVER_SOCKET_DOMAIN: usize = 8;
const SERVER_SOCKET_ADDRESS: usize = 9;
const SERVER_SOCKET_PORT: usize = 10;
const NET_SOCK_PEER_NAME: usize = 11;
const NET_SOCK_PEER_ADDR: usize = 12;
const NET_SOCK_PEER_PORT: usize = 13;
const PEER_HOSTNAME: usize = 14;
const PEER_ADDRESS: usize = 15;
const DB_NAME: usize = 16;
const NETWORK_LOCAL_ADDRESS: usize = 17;
const NET_HOST_IP: usize = 18;
const NETWORK_LOCAL_PORT: usize = 19;
const NET_HOST_PORT: usize = 20;

static KEYS: [&[u8]; 21] = [
    b"service.peer.name",
    b"peer.service",
    b"server.address",
    b"server.port",
    b"net.peer.name",
    b"net.peer.port",
    b"network.peer.address",
    b"network.peer.port",
    b"server.socket.domain",
    b"server.socket.address",
    b"server.socket.port",
    b"net.sock.peer.name",
    b"net.sock.peer.addr",
    b"net.sock.peer.port",
    b"peer.hostname",
    b"peer.address",
    b"db.name",
    b"network.local.address",
    b"net.host.ip",
    b"network.local.port",
    b"net.host.port",
];

/// Where in the attributes of a span those stand that say something about an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positions {
    /// `usize::MAX` if there is none.
    at: [usize; KEYS.len()],
    /// Whether any is there.
    any: bool,
    /// Whether one is there that counts for spans that call nobody.
    any_always: bool,
}

impl Positions {
    pub(super) const NONE: Self = Self {
        at: [usize::MAX; KEYS.len()],
        any: false,
        any_always: false,
    };

    /// Notes where the attribute with this key stands. Of two the last counts, as for tags.
    pub(super) fn note(&mut self, key: &[u8], position: usize) {
        if let Some(found) = KEYS.iter().position(|known| *known == key) {
            self.at[found] = position;
            self.any = true;
            self.any_always |= matches!(
                found,
                SERVICE_PEER_NAME
                    | PEER_SERVICE
                    | NETWORK_PEER_ADDRESS
                    | NETWORK_LOCAL_ADDRESS
                    | NET_HOST_IP
                    | NETWORK_LOCAL_PORT
                    | NET_HOST_PORT
            );
        }
    }

    /// Whether there is anything to be found for a span that calls somebody, or does not.
    pub(super) const fn any(&self, is_caller: bool) -> bool {
        if is_caller { self.any } else { self.any_always }
    }
}

/// The attributes of a span, by what they say about an end.
#[derive(Clone, Copy)]
struct Lookup<'a, 'b> {
    positions: &'b Positions,
    attributes: &'b [Value<'a>],
}

impl<'a> Lookup<'a, '_> {
    fn get(&self, key: usize) -> AnyValue<'a> {
        self.attributes
            .get(self.positions.at[key])
            .map_or(AnyValue::Empty, |value| value.get())
    }

    fn text(&self, key: usize) -> &'a str {
        self.get(key).as_str().unwrap_or_default()
    }

    /// A port that can be one, else 0.
    fn port(&self, key: usize) -> u16 {
        match self.get(key) {
            AnyValue::Int(port) => u16::try_from(port).unwrap_or(0),
            AnyValue::Str(port) => port.as_str().parse().unwrap_or(0),
            _ => 0,
        }
    }
}

/// The end that made the span: the service of the resource, and what the span says about the
/// address.
pub(super) fn local<'a>(
    service_name: &'a [u8],
    positions: &Positions,
    attributes: &[Value<'a>],
) -> Endpoint<'a> {
    let lookup = Lookup {
        positions,
        attributes,
    };
    let address = [NETWORK_LOCAL_ADDRESS, NET_HOST_IP]
        .into_iter()
        .find_map(|key| literal(lookup.text(key)));
    let port = [NETWORK_LOCAL_PORT, NET_HOST_PORT]
        .into_iter()
        .map(|key| lookup.port(key))
        .find(|port| *port != 0);
    Endpoint {
        service_name,
        address,
        port: port.unwrap_or(0),
    }
}

/// One attribute that may name the other end.
struct Rank {
    key: usize,
    port: Option<usize>,
    /// Whether it may be the name of a service.
    is_name: bool,
    /// Whether it may be an address.
    is_address: bool,
    /// Whether it counts for spans that call nobody.
    always: bool,
}

const fn rank(key: usize, is_name: bool, is_address: bool) -> Rank {
    Rank {
        key,
        port: None,
        is_name,
        is_address,
        always: false,
    }
}

impl Rank {
    const fn with_port(self, key: usize) -> Self {
        Self {
            port: Some(key),
            ..self
        }
    }

    const fn always(self) -> Self {
        Self {
            always: true,
            ..self
        }
    }
}

/// In the order of the OpenTelemetry specification, "Zipkin", "Remote endpoint"; the first is the
/// newer name of the second.
static RANKS: [Rank; 12] = [
    rank(SERVICE_PEER_NAME, true, false).always(),
    rank(PEER_SERVICE, true, false).always(),
    rank(SERVER_ADDRESS, true, true).with_port(SERVER_PORT),
    rank(NET_PEER_NAME, true, true).with_port(NET_PEER_PORT),
    rank(NETWORK_PEER_ADDRESS, false, true)
        .with_port(NETWORK_PEER_PORT)
        .always(),
    rank(SERVER_SOCKET_DOMAIN, true, false),
    rank(SERVER_SOCKET_ADDRESS, false, true).with_port(SERVER_SOCKET_PORT),
    rank(NET_SOCK_PEER_NAME, true, false),
    rank(NET_SOCK_PEER_ADDR, false, true).with_port(NET_SOCK_PEER_PORT),
    rank(PEER_HOSTNAME, true, false),
    rank(PEER_ADDRESS, true, true),
    rank(DB_NAME, true, false),
];

/// The other end of the call. `is_caller` is true for clients and producers, which know it best.
pub(super) fn remote<'a>(
    is_caller: bool,
    positions: &Positions,
    attributes: &[Value<'a>],
) -> Endpoint<'a> {
    let lookup = Lookup {
        positions,
        attributes,
    };
    let mut end = Endpoint::default();
    let (mut name_port, mut address_port) = (0, 0);
    for rank in RANKS.iter().filter(|rank| is_caller || rank.always) {
        let mut text = lookup.text(rank.key);
        let mut port = rank.port.map_or(0, |key| lookup.port(key));
        if rank.key == PEER_ADDRESS {
            (text, port) = split_port(text);
        }
        if text.is_empty() {
            continue;
        }
        match literal(text) {
            Some(address) if rank.is_address && end.address.is_none() => {
                end.address = Some(address);
                address_port = port;
            }
            None if rank.is_name && end.service_name.is_empty() => {
                end.service_name = text.as_bytes();
                name_port = port;
            }
            _ => {}
        }
    }
    end.port = if address_port == 0 {
        name_port
    } else {
        address_port
    };
    end
}

/// Reads an IP address, in brackets or not, with a zone or not. One that maps IPv4 into IPv6 is
/// what it maps.
fn literal(text: &str) -> Option<IpAddr> {
    if text.is_empty() {
        return None;
    }
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let plain = inner.split_once('%').map_or(inner, |(address, _)| address);
    let address: IpAddr = plain.parse().ok()?;
    Some(address.to_canonical())
}

/// Splits `host:port`; the port is 0 if there is none.
fn split_port(text: &str) -> (&str, u16) {
    if let Some((host, port)) = text.rsplit_once(':')
        && let Ok(port) = port.parse()
        && (!host.contains(':') || text.parse::<SocketAddr>().is_ok())
    {
        return (host, port);
    }
    (text, 0)
}

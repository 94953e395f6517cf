//! The arguments of the gateway.

use std::{collections::BTreeMap, fmt::Display, net::SocketAddr, str::FromStr, time::Duration};

use tokio::net::TcpListener;
use tower_otlp::layers::queue::{Acknowledge, Overflow};

pub const USAGE: &str = "\
usage: gateway --to URL [--fallback URL] [--dead-letter URL] [--to URL ...] [OPTION ...]

  --to URL             otlp+grpc://host:4317, otlp+http://host:4318, console:, ...
                       with several, each must have taken the telemetry
  --fallback URL       takes the telemetry while the --to before it fails
  --dead-letter URL    takes what the --to before it does not take in the end
  --grpc ADDR          where to receive (default 127.0.0.1:4317)
  --http ADDR          where to receive (default 127.0.0.1:4318)
  --drain-timeout TIME how long to deliver what is left on SIGTERM (default 10s)
for each --to, and only if one of its options is given:
  --batch-items N, --batch-bytes N, --batch-timeout TIME
                       sends requests together (default 8192, 4000000, 0.2s)
  --queue-bytes N, --overflow block|reject|drop-oldest, --ack delivery|enqueue
                       a queue in memory, and when it answers (default 67108864, block, delivery)
  --rate-items N       items a second
  --max-concurrency auto|N  requests in flight";

/// The options that ask for a batch, and for a queue.
pub const BATCH: [&str; 3] = ["--batch-items", "--batch-bytes", "--batch-timeout"];
pub const QUEUE: [&str; 3] = ["--queue-bytes", "--overflow", "--ack"];

const ACK: [(&str, Acknowledge); 2] = [
    ("delivery", Acknowledge::OnDelivery),
    ("enqueue", Acknowledge::OnEnqueue),
];
const OVERFLOW: [(&str, Overflow); 3] = [
    ("block", Overflow::Block),
    ("reject", Overflow::RejectNew),
    ("drop-oldest", Overflow::DropOldest),
];

/// One destination.
#[derive(Default)]
pub struct To {
    pub url: String,
    pub fallback: Option<String>,
    pub dead_letter: Option<String>,
}

/// What was asked for. A value is read, and refused, where it is used.
#[derive(Default)]
pub struct Flags {
    pub to: Vec<To>,
    values: BTreeMap<String, String>,
}

impl Flags {
    /// `None` if help is asked for.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut flags = Self::default();
        while let Some(name) = arguments.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let mut known = USAGE
                .split_whitespace()
                .map(|word| word.trim_end_matches(','));
            if !name.starts_with("--") || !known.any(|word| word == name) {
                return Err(format!("there is no option {name}"));
            }
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            let last = flags
                .to
                .last_mut()
                .ok_or(format!("{name} is for the --to before it"));
            match name.as_str() {
                "--to" => flags.to.push(To {
                    url: value,
                    ..To::default()
                }),
                "--fallback" => last?.fallback = Some(value),
                "--dead-letter" => last?.dead_letter = Some(value),
                _ => drop(flags.values.insert(name, value)),
            }
        }
        if flags.to.is_empty() {
            return Err("--to is needed at least once".to_owned());
        }
        Ok(Some(flags))
    }

    /// Whether one of these is given.
    pub fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.values.contains_key(*name))
    }

    /// The value of an option, if it is given.
    pub fn read<T>(
        &self,
        name: &str,
        like: impl Display,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.values.get(name) else {
            return Ok(None);
        };
        let read = read(value).map(Some);
        read.ok_or_else(|| format!("{name}: `{value}` is not {like}"))
    }

    pub fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        let read = self.read(name, "a number such as 1000", |value| value.parse().ok())?;
        Ok(read.unwrap_or(default))
    }

    pub fn time(&self, name: &str, default: f64) -> Result<Duration, String> {
        let read = self.read(name, "a duration such as 10s or 0.5s", |value| {
            let seconds = value.strip_suffix('s')?.parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        })?;
        Ok(read.unwrap_or(Duration::from_secs_f64(default)))
    }

    /// Listens on the address that is given, or on this port of this machine.
    pub async fn listen(&self, name: &str, default: u16) -> Result<TcpListener, String> {
        let like = "an address such as 127.0.0.1:4317";
        let read = self.read(name, like, |value| value.parse().ok())?;
        let address = read.unwrap_or(SocketAddr::from(([127, 0, 0, 1], default)));
        let bound = TcpListener::bind(address).await;
        bound.map_err(|error| format!("cannot listen on {address}: {error}"))
    }

    pub fn acknowledge(&self) -> Result<Acknowledge, String> {
        self.choice("--ack", &ACK)
    }

    pub fn overflow(&self) -> Result<Overflow, String> {
        self.choice("--overflow", &OVERFLOW)
    }

    /// One of a few words.
    fn choice<T: Copy + Default>(&self, name: &str, words: &[(&str, T)]) -> Result<T, String> {
        let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let read = self.read(name, format!("one of {}", list.join(", ")), |value| {
            let found = words.iter().find(|(word, _)| *word == value);
            found.map(|(_, choice)| *choice)
        })?;
        Ok(read.unwrap_or_default())
    }
}

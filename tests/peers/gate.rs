//! What stands between an exporter and a server: it lets connections through, or nobody.

use std::sync::{Arc, Mutex};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A relay of TCP connections to one server. While it is shut nobody listens at its address.
pub struct Gate {
    /// Where it listens: `host:port`.
    pub address: String,
    to: String,
    relay: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Gate {
    /// An open gate to `host:port`, at an address of its own.
    pub async fn open_to(to: &str) -> Self {
        let [port] = crate::servers::ports();
        let gate = Self {
            address: format!("127.0.0.1:{port}"),
            to: to.to_owned(),
            relay: Arc::default(),
        };
        gate.open().await;
        gate
    }

    /// Lets connections through again.
    pub async fn open(&self) {
        let listener = TcpListener::bind(&self.address)
            .await
            .expect("its own port");
        let to = self.to.clone();
        let relay = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.clone();
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        *self.relay.lock().expect("no panic") = Some(relay);
    }

    /// Cuts all connections and takes no new ones.
    pub async fn shut(&self) {
        let relay = self.relay.lock().expect("no panic").take();
        if let Some(relay) = relay {
            relay.abort();
            let _ = relay.await;
        }
    }
}

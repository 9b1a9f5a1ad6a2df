//! A server's port and its tasks, which end with it.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A listening port. Dropping it closes every connection.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Listening {
    /// Serves each connection at a free local port with `serve`.
    pub(crate) async fn start<S, F>(serve: S) -> std::io::Result<Self>
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // The connections end when this is dropped.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        // Out of files, as a rule: the next may succeed.
                        let Ok((socket, _)) = accepted else { continue };
                        // What is sent is not to wait for an acknowledgement.
                        let _ = socket.set_nodelay(true);
                        connections.spawn(serve(socket));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, accepting: accepting.abort_handle() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

//! Listens, and serves each connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::app::App;
use crate::feed::RHYTHM;
use crate::routes::router;
use crate::settings::{Settings, TlsFiles};

/// Connections at a time. More of them wait to be accepted.
const CONNECTIONS: usize = 8192;

/// How long a client may take for the handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(15);

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    tls: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Why the server cannot be started.
#[derive(Debug, Error)]
pub enum ServeError {
    /// It cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A file of TLS cannot be used.
    #[error("{file}: {why}")]
    Tls {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
}

impl Server {
    /// Begins to listen. `settings` are checked.
    ///
    /// # Errors
    /// When the address is taken, or a file of TLS cannot be used.
    pub async fn bind(mut settings: Settings) -> Result<Self, ServeError> {
        let tls = settings.tls.as_ref().map(acceptor).transpose()?;
        let address = settings.bind;
        let listen = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        settings.bind = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, app: Arc::new(App::new(settings)), tls })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.app.settings.bind
    }

    /// The address of the page.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}/", self.address(), self.app.settings.base_path)
    }

    /// Serves until `end` is there. Connections that are open then are closed.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let router = router(&self.app);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let list = tokio::spawn(keep_list(Arc::clone(&self.app)));
        tokio::pin!(end);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut end => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                    let (router, tls) = (router.clone(), self.tls.clone());
                    tokio::spawn(async move {
                        serve_one(stream, peer, router, tls).await;
                        drop(permit);
                    });
                }
                // Without descriptors it is tried again in a moment.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
        list.abort();
    }
}

/// Looks at the runs again and again as long as anybody watches their list.
async fn keep_list(app: Arc<App>) {
    loop {
        sleep(RHYTHM).await;
        if app.list.is_watched() {
            let _ = app.aside(|app| Ok(app.list.refresh(app.time())?)).await;
        }
    }
}

async fn serve_one(stream: TcpStream, peer: SocketAddr, router: Router, tls: Option<TlsAcceptor>) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve_http(stream, peer, router).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(PATIENCE, tls.accept(stream)).await {
                serve_http(stream, peer, router).await;
            }
        }
    }
}

async fn serve_http<S>(stream: S, peer: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut router = router.clone();
        async move { tower_service::Service::call(&mut router, request).await }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 * 1024);
    // A client that breaks off is nobody's loss.
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    let bad = |file: &std::path::Path, why: String| ServeError::Tls { file: file.display().to_string(), why };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&files.certificate, format!("no certificate can be read: {error}")))?;
    if certificates.is_empty() {
        return Err(bad(&files.certificate, "it has no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| bad(&files.key, format!("no private key can be read: {error}")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&files.certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| bad(&files.key, format!("it does not fit the certificate: {error}")))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

//! A proxy between an operator and the API server that spoils requests by rules and notes all.
//!
//! It speaks plain HTTP/1.1 to the operator and has the operator's credentials for the server.

mod answer;
mod asked;
mod record;
mod rule;
mod serve;
mod stream;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::cluster::Cluster;
use super::operator::free_port;

use self::serve::Shared;

pub(crate) use self::asked::Verb;
pub(crate) use self::record::{Record, Told};
pub(crate) use self::rule::{Fault, Rule, Switch};

/// It runs until it is dropped; then its connections end.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    kubeconfig: PathBuf,
    connections: Arc<Mutex<JoinSet<()>>>,
    accepts: Mutex<Option<AbortHandle>>,
}

impl Proxy {
    /// Starts one before the API server, without rules.
    pub(crate) async fn of(cluster: &Cluster) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let shared = Shared {
            upstream: client(&cluster.operator_kubeconfig).await,
            began: Instant::now(),
            state: Mutex::default(),
        };
        let proxy = Self {
            shared: Arc::new(shared),
            address,
            kubeconfig: kubeconfig(&cluster.dir, address),
            connections: Arc::default(),
            accepts: Mutex::default(),
        };
        proxy.up().await;
        proxy
    }

    /// How to reach it.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From now on requests go by this rule too.
    pub(crate) fn add(&self, rule: Rule) -> Switch {
        self.shared.lock().rules.add(rule)
    }

    /// All requests so far, in the order in which they came.
    pub(crate) fn log(&self) -> Vec<Record> {
        self.shared.lock().log.clone()
    }

    /// All events of watches so far, in the order in which they went to the client.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.shared.lock().told.clone()
    }

    /// Ends every open connection, watches and held requests included.
    pub(crate) fn cut(&self) {
        lock(&self.connections).abort_all();
    }

    /// Nobody listens any more.
    pub(crate) fn down(&self) {
        if let Some(accepts) = lock(&self.accepts).take() {
            accepts.abort();
        }
        self.cut();
    }

    /// Listens, again if it did before.
    pub(crate) async fn up(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (shared, connections) = (Arc::clone(&self.shared), Arc::clone(&self.connections));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut connections = lock(&connections);
                while connections.try_join_next().is_some() {}
                connections.spawn(connection(stream, Arc::clone(&shared)));
            }
        });
        *lock(&self.accepts) = Some(task.abort_handle());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.down();
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| shared.serve(request));
    // It ends with an error where a fault says so.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A client that says what it is told: the wish to try again is the operator's.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn kubeconfig(dir: &Path, address: SocketAddr) -> PathBuf {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!("proxy-{number}.kubeconfig"));
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
    });
    fs::write(&path, text.to_string()).unwrap();
    path
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

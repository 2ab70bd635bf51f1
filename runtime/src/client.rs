//! The connection to the API server: in the cluster, else by a kubeconfig.

use std::env;
use std::path::Path;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::timeout::TimeoutLayer;

use crate::limits;

/// Why no connection can be made; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A kubeconfig was named and cannot be used.
    #[error(
        "kubeconfig \"{path}\" cannot be used: {source}; check the path and its current context"
    )]
    Kubeconfig {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// The ServiceAccount of the pod cannot be used.
    #[error(
        "running in a cluster, but its ServiceAccount cannot be used: {source}; \
         mount a token, by automountServiceAccountToken or by a projected volume in its place"
    )]
    InCluster {
        /// Why.
        #[source]
        source: Box<kube::config::InClusterError>,
    },
    /// There is nothing to connect to.
    #[error(
        "not in a cluster and no usable kubeconfig: {source}; \
         set KUBECONFIG or give --kubeconfig FILE"
    )]
    Nowhere {
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// The configuration is fine as text, but not for a client.
    #[error("no client for {url}: {source}; check certificates and credentials")]
    Client {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Where the API server is, and how to talk to it: the file named, else the cluster around us,
/// else `KUBECONFIG` or the usual file.
///
/// # Errors
/// If there is no usable configuration.
pub async fn config(kubeconfig: Option<&Path>) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions::default();
    let mut config = if let Some(path) = kubeconfig {
        let failed = |source| ConnectError::Kubeconfig {
            path: path.display().to_string(),
            source: Box::new(source),
        };
        let file = Kubeconfig::read_from(path).map_err(failed)?;
        Config::from_custom_kubeconfig(file, &options).await.map_err(failed)?
    } else if env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        Config::incluster()
            .map_err(|source| ConnectError::InCluster { source: Box::new(source) })?
    } else {
        Config::from_kubeconfig(&options)
            .await
            .map_err(|source| ConnectError::Nowhere { source: Box::new(source) })?
    };
    // Hidden retries would hold an app for minutes; the queue retries, visibly.
    config.default_retry = false;
    let agent = concat!("kaspr-operator/", env!("CARGO_PKG_VERSION"));
    config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
    Ok(config)
}

/// A client in which no request waits for ever for the first word of its answer.
///
/// # Errors
/// If certificates or credentials cannot be used.
pub fn client(config: Config) -> Result<Client, ConnectError> {
    let url = config.cluster_url.to_string();
    let builder = ClientBuilder::try_from(config)
        .map_err(|source| ConnectError::Client { url, source: Box::new(source) })?;
    Ok(builder.with_layer(&TimeoutLayer::new(limits::HEADERS_WITHIN)).build())
}

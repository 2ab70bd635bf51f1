//! Who is who: the key of a decision, and the names of the objects that it touches.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of decision: namespace and name of a `KasprApp`.
///
/// A key exists as soon as an app or a component names it. The components of a namespace that
/// name no app at all share the key with the empty name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppKey {
    /// The namespace of the app and of all that belongs to it.
    pub namespace: String,
    /// `metadata.name` of the app; empty for components without an app label.
    pub name: String,
}

impl AppKey {
    /// The key of the app `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of the components in `namespace` that name no app.
    pub fn nameless(namespace: impl Into<String>) -> Self {
        Self::new(namespace, "")
    }

    /// Whether this is the key of components that name no app.
    pub fn is_nameless(&self) -> bool {
        self.name.is_empty()
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Every kind of object that the operator reads or writes, in the order in which it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are the kinds of the Kubernetes and Kaspr APIs")]
pub enum ObjectKind {
    App,
    Agent,
    Table,
    WebView,
    Task,
    Join,
    ServiceAccount,
    ConfigMap,
    Service,
    StatefulSet,
    Autoscaler,
    Pod,
    /// A claim of storage: of a member's tables, or of packages.
    Claim,
    /// Watched only where the operator is told to check Secrets, and never with its values.
    Secret,
}

impl ObjectKind {
    /// All kinds, in a fixed order.
    pub const ALL: [Self; 14] = [
        Self::App,
        Self::Agent,
        Self::Table,
        Self::WebView,
        Self::Task,
        Self::Join,
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Service,
        Self::StatefulSet,
        Self::Autoscaler,
        Self::Pod,
        Self::Claim,
        Self::Secret,
    ];

    /// The kinds of components.
    pub const COMPONENTS: [Self; 5] =
        [Self::Agent, Self::Table, Self::WebView, Self::Task, Self::Join];

    /// The kinds that an operator watches, in a fixed order: Secrets only where it checks them.
    pub fn watched(checks_secrets: bool) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |kind| *kind != Self::Secret || checks_secrets)
    }

    /// The API group; empty for the core group.
    pub fn group(self) -> &'static str {
        match self {
            Self::App | Self::Agent | Self::Table | Self::WebView | Self::Task | Self::Join => {
                "kaspr.io"
            }
            Self::ServiceAccount
            | Self::ConfigMap
            | Self::Service
            | Self::Pod
            | Self::Claim
            | Self::Secret => "",
            Self::StatefulSet => "apps",
            Self::Autoscaler => "autoscaling",
        }
    }

    /// The version within the group.
    pub fn version(self) -> &'static str {
        match self {
            Self::App | Self::Agent | Self::Table | Self::WebView | Self::Task | Self::Join => {
                "v1alpha1"
            }
            Self::ServiceAccount
            | Self::ConfigMap
            | Self::Service
            | Self::StatefulSet
            | Self::Pod
            | Self::Claim
            | Self::Secret => "v1",
            Self::Autoscaler => "v2",
        }
    }

    /// `apiVersion` as objects carry it.
    pub fn api_version(self) -> String {
        if self.group().is_empty() {
            self.version().to_owned()
        } else {
            format!("{}/{}", self.group(), self.version())
        }
    }

    /// `kind` as objects carry it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::App => "KasprApp",
            Self::Agent => "KasprAgent",
            Self::Table => "KasprTable",
            Self::WebView => "KasprWebView",
            Self::Task => "KasprTask",
            Self::Join => "KasprJoin",
            Self::ServiceAccount => "ServiceAccount",
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::StatefulSet => "StatefulSet",
            Self::Autoscaler => "HorizontalPodAutoscaler",
            Self::Pod => "Pod",
            Self::Claim => "PersistentVolumeClaim",
            Self::Secret => "Secret",
        }
    }

    /// The resource name in request paths.
    pub fn plural(self) -> &'static str {
        match self {
            Self::App => "kasprapps",
            Self::Agent => "kaspragents",
            Self::Table => "kasprtables",
            Self::WebView => "kasprwebviews",
            Self::Task => "kasprtasks",
            Self::Join => "kasprjoins",
            Self::ServiceAccount => "serviceaccounts",
            Self::ConfigMap => "configmaps",
            Self::Service => "services",
            Self::StatefulSet => "statefulsets",
            Self::Autoscaler => "horizontalpodautoscalers",
            Self::Pod => "pods",
            Self::Claim => "persistentvolumeclaims",
            Self::Secret => "secrets",
        }
    }

    /// Whether this is one of the five component kinds.
    pub fn is_component(self) -> bool {
        matches!(self, Self::Agent | Self::Table | Self::WebView | Self::Task | Self::Join)
    }
}

impl From<kaspr_crds::Kind> for ObjectKind {
    fn from(kind: kaspr_crds::Kind) -> Self {
        match kind {
            kaspr_crds::Kind::App => Self::App,
            kaspr_crds::Kind::Agent => Self::Agent,
            kaspr_crds::Kind::Table => Self::Table,
            kaspr_crds::Kind::WebView => Self::WebView,
            kaspr_crds::Kind::Task => Self::Task,
            kaspr_crds::Kind::Join => Self::Join,
        }
    }
}

/// One object by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct ObjectRef {
    pub kind: ObjectKind,
    pub namespace: String,
    pub name: String,
}

impl ObjectRef {
    /// The object `name` of `kind` in `namespace`.
    pub fn new(kind: ObjectKind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    /// `StatefulSet orders-app`: the namespace is that of the app, so it is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.kind(), self.name)
    }
}

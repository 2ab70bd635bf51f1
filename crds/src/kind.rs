//! The six kinds, and what is fixed about each.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{KasprAgent, KasprApp, KasprJoin, KasprTable, KasprTask, KasprWebView, schema};

/// One of the six kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// KasprApp.
    App,
    /// KasprAgent.
    Agent,
    /// KasprTable.
    Table,
    /// KasprWebView.
    WebView,
    /// KasprTask.
    Task,
    /// KasprJoin.
    Join,
}

impl Kind {
    /// All kinds, in the order in which they are listed everywhere.
    pub const ALL: [Self; 6] =
        [Self::App, Self::Agent, Self::Table, Self::WebView, Self::Task, Self::Join];

    /// The kinds that belong to an app, in the same order.
    pub const COMPONENTS: [Self; 5] =
        [Self::Agent, Self::Table, Self::WebView, Self::Task, Self::Join];

    /// The name in `kind`, such as `KasprApp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::App => "KasprApp",
            Self::Agent => "KasprAgent",
            Self::Table => "KasprTable",
            Self::WebView => "KasprWebView",
            Self::Task => "KasprTask",
            Self::Join => "KasprJoin",
        }
    }

    /// The name in URLs and rules, such as `kasprapps`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::App => "kasprapps",
            Self::Agent => "kaspragents",
            Self::Table => "kasprtables",
            Self::WebView => "kasprwebviews",
            Self::Task => "kasprtasks",
            Self::Join => "kasprjoins",
        }
    }

    /// What the names of its objects end in after a hyphen, such as `orders-agent`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Agent => "agent",
            Self::Table => "table",
            Self::WebView => "webview",
            Self::Task => "task",
            Self::Join => "join",
        }
    }

    /// The key under which a worker's definition file lists this kind; an app has no such file.
    pub const fn root_key(self) -> &'static str {
        match self {
            Self::App => "apps",
            Self::Agent => "agents",
            Self::Table => "tables",
            Self::WebView => "webviews",
            Self::Task => "tasks",
            Self::Join => "joins",
        }
    }

    /// How long the name of a resource of this kind may be, so that each name made of it is valid.
    pub const fn name_max(self) -> usize {
        match self {
            // A pod carries its revision as a label of at most 63 characters: `<app>-app-` and ten
            // for the digest.
            // Source: kubernetes.io/docs/concepts/workloads/controllers/statefulset, "controller-revision-hash"
            Self::App => 48,
            // A component's volume is called `<name>-<suffix>`, and a volume's name is a DNS label
            // of 63.
            Self::Agent | Self::Table | Self::WebView | Self::Task | Self::Join => {
                63 - 1 - self.suffix().len()
            }
        }
    }

    /// Its CustomResourceDefinition, as the cluster gets it.
    pub fn crd(self) -> CustomResourceDefinition {
        let derived = match self {
            Self::App => KasprApp::crd(),
            Self::Agent => KasprAgent::crd(),
            Self::Table => KasprTable::crd(),
            Self::WebView => KasprWebView::crd(),
            Self::Task => KasprTask::crd(),
            Self::Join => KasprJoin::crd(),
        };
        schema::finish(derived, self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names none of the six kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(pub String);

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Kind::ALL.map(Kind::name).join(", ");
        write!(f, "\"{}\" is not a kind of Kaspr: use one of {names}", self.0)
    }
}

impl std::error::Error for UnknownKind {}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// All six CustomResourceDefinitions, in the order of [`Kind::ALL`].
pub fn all() -> Vec<CustomResourceDefinition> {
    Kind::ALL.into_iter().map(Kind::crd).collect()
}

/// The schema of `spec` that the cluster checks and prunes by, so that others can check by the
/// same.
pub fn spec_schema(kind: Kind) -> &'static Value {
    static APP: OnceLock<Value> = OnceLock::new();
    static AGENT: OnceLock<Value> = OnceLock::new();
    static TABLE: OnceLock<Value> = OnceLock::new();
    static WEB_VIEW: OnceLock<Value> = OnceLock::new();
    static TASK: OnceLock<Value> = OnceLock::new();
    static JOIN: OnceLock<Value> = OnceLock::new();
    let cell = match kind {
        Kind::App => &APP,
        Kind::Agent => &AGENT,
        Kind::Table => &TABLE,
        Kind::WebView => &WEB_VIEW,
        Kind::Task => &TASK,
        Kind::Join => &JOIN,
    };
    cell.get_or_init(|| schema::property_of(&kind.crd(), "spec"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_carry_the_names_of_their_kind() {
        for (kind, crd) in Kind::ALL.into_iter().zip(all()) {
            let names = &crd.spec.names;
            assert_eq!(crd.metadata.name, Some(format!("{}.kaspr.io", kind.plural())));
            assert_eq!((names.kind.as_str(), names.plural.as_str()), (kind.name(), kind.plural()));
            assert_eq!(names.singular, Some(kind.name().to_lowercase()));
            assert_eq!(names.categories, Some(vec!["kaspr".to_owned()]));
            assert_eq!(kind.name().parse(), Ok(kind));
        }
    }

    #[test]
    fn short_names_are_those_of_the_original() {
        let expected = [
            "kapps kapp",
            "kagents kagent",
            "ktables ktable",
            "kwebviews kwebview",
            "ktasks ktask",
            "kjoin kj",
        ];
        let found = all().into_iter().map(|crd| crd.spec.names.short_names.unwrap().join(" "));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_kind_has_a_status_subresource_and_apps_have_a_scale() {
        for (kind, crd) in Kind::ALL.into_iter().zip(all()) {
            let version = &crd.spec.versions[0];
            let subresources = version.subresources.clone().unwrap();
            assert!(subresources.status.is_some(), "{kind}");
            assert_eq!(subresources.scale.is_some(), kind == Kind::App, "{kind}");
            assert!(version.served && version.storage && version.name == "v1alpha1");
        }
    }

    #[test]
    fn columns_of_apps_begin_with_those_of_the_original() {
        let columns = Kind::App.crd().spec.versions[0].additional_printer_columns.clone().unwrap();
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["Version", "Ready", "Members", "Rebalancing", "Age"]);
    }

    #[test]
    fn definitions_are_small() {
        for crd in all() {
            let size = serde_json::to_string(&crd).unwrap().len();
            // As YAML two to three times as long; etcd and kubectl's annotation end far above.
            assert!(size < 80 * 1024, "{:?} has {size} bytes", crd.metadata.name);
        }
    }

    #[test]
    fn a_name_that_is_no_kind_is_answered_with_those_that_are() {
        let error = "KasprThing".parse::<Kind>().unwrap_err().to_string();
        assert!(error.starts_with("\"KasprThing\" is not a kind of Kaspr: use one of KasprApp,"));
    }
}

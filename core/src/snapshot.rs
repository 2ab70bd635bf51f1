//! The recorded document: all that one decision reads, as raw facts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::ResourceVersion;
use crate::key::{AppKey, ObjectKind};
use crate::marks::Marks;
use crate::outcome::Outcomes;
use crate::poll::Polls;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::time::{Now, Uptime};

/// The version that this build writes. It grows when an older build could misread a snapshot.
pub const VERSION: u32 = 1;

/// One look at what concerns one app key: built once per pass, never refreshed midway.
///
/// Objects are JSON as the API server sent them, trimmed by the caches (no managed fields, no
/// last-applied annotation). A field that an older recording lacks reads as Unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// [`VERSION`] of the build that wrote it.
    pub version: u32,
    /// Whose snapshot it is.
    pub key: AppKey,
    /// The instant of the look.
    pub now: Now,
    /// The operator's settings.
    #[serde(default)]
    pub settings: Settings,
    /// The process that looks: no two have the same name, also not one after the other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
    /// The `KasprApp`.
    #[serde(default)]
    pub app: Seen<Value>,
    /// When the app's version came as the answer to a write or read of this process; none if it
    /// came from a watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_read_at: Option<Uptime>,
    /// When this process first saw the app in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_seen_at: Option<Uptime>,
    /// The burst of edits to the app's spec or to its components that this process saw last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<Edits>,
    /// The components that name this app.
    #[serde(default)]
    pub components: ComponentFacts,
    /// How far the list of each kind of component is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<ObjectKind, ListFacts>,
    /// The objects with our names, and the ConfigMaps with our labels.
    #[serde(default)]
    pub children: ChildFacts,
    /// The Secrets that the app names, without their values, sorted by name; unknown where nobody looks
    /// at Secrets. See [`crate::secrets`].
    #[serde(default)]
    pub secrets: Seen<Vec<Value>>,
    /// What the members answered.
    #[serde(default, skip_serializing_if = "Polls::is_empty")]
    pub polls: Polls,
    /// When this process first saw what is dated in the status.
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub marks: Marks,
    /// How many members of other apps are in replacement.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub terminations_elsewhere: u32,
    /// What came of earlier actions of this process for this key.
    #[serde(default)]
    pub outcomes: Outcomes,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Snapshot {
    /// A look at a cluster that answers everything and holds nothing of this key.
    pub fn of_nothing(key: AppKey, now: Now, settings: Settings) -> Self {
        let none = || Seen::Present(Vec::new());
        Self {
            version: VERSION,
            key,
            now,
            settings,
            process: String::new(),
            app: Seen::Absent,
            app_read_at: None,
            app_seen_at: None,
            edits: None,
            components: ComponentFacts {
                agents: none(),
                tables: none(),
                web_views: none(),
                tasks: none(),
                joins: none(),
            },
            lists: BTreeMap::new(),
            children: ChildFacts {
                service_account: Seen::Absent,
                api_service: Seen::Absent,
                headless_service: Seen::Absent,
                stateful_set: Seen::Absent,
                autoscaler: Seen::Absent,
                config_maps: none(),
                pods: none(),
                claims: none(),
            },
            secrets: Seen::default(),
            polls: Polls::new(),
            marks: Marks::new(),
            terminations_elsewhere: 0,
            outcomes: Outcomes::new(),
        }
    }
}

/// Edits that came so close together that they belong to one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edits {
    /// When the first of them was seen.
    pub first: Uptime,
    /// When the last of them was seen.
    pub last: Uptime,
}

/// How far a list is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListFacts {
    /// The resourceVersion up to which every change is known.
    pub version: ResourceVersion,
    /// When the last consistent read of the whole list was asked for.
    pub read_at: Uptime,
}

/// The components of one key, each kind listed or not, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "one field for each kind")]
pub struct ComponentFacts {
    pub agents: Seen<Vec<Value>>,
    pub tables: Seen<Vec<Value>>,
    pub web_views: Seen<Vec<Value>>,
    pub tasks: Seen<Vec<Value>>,
    pub joins: Seen<Vec<Value>>,
}

/// The children of one key by role; each is the object of our name, whoever made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChildFacts {
    /// ServiceAccount `<app>-app`.
    pub service_account: Seen<Value>,
    /// Service `<app>-app-api`.
    pub api_service: Seen<Value>,
    /// Service `<app>-app`.
    pub headless_service: Seen<Value>,
    /// StatefulSet `<app>-app`.
    pub stateful_set: Seen<Value>,
    /// HorizontalPodAutoscaler `<app>-app-hpa`.
    pub autoscaler: Seen<Value>,
    /// Every ConfigMap with our labels that belongs to this app: settings and definitions, sorted
    /// by name.
    pub config_maps: Seen<Vec<Value>>,
    /// Every pod with the labels of this app's members, sorted by name.
    pub pods: Seen<Vec<Value>>,
    /// Every PersistentVolumeClaim with the labels of this app's members, sorted by name.
    pub claims: Seen<Vec<Value>>,
}

//! App -> its children, whole and without looking at the cluster.
//!
//! Source of names, labels and content: Kaspr operator 0.18.51; a team must be able to change over
//! with no pod restart, so none of the names ever changes.

mod autoscaler;
mod config_map;
mod metadata;
mod names;
mod packages;
mod pod;
mod service;
mod service_account;
mod statefulset;

pub use self::autoscaler::autoscaler;
pub use self::config_map::{Contents, definition, digest_of, joins, settings, settings_data};
pub(crate) use self::metadata::original_labels;
pub use self::metadata::{Owner, owner_of, selector_labels, selector_text};
pub use self::names::Names;
pub(crate) use self::packages::is_of_installer;
pub use self::packages::{BUCKET_KEY_VOLUME, INSTALLER, SCRATCH_VOLUME, packages_claim};
pub(crate) use self::pod::is_digest_variable;
pub use self::pod::{HASHES, Mounted, TemplateParts, template};
pub use self::service::{api_service, headless_service};
pub use self::service_account::service_account;
pub use self::statefulset::{StatefulSetParts, claim_templates, statefulset};

/// On a StatefulSet of ours: the digest of the inputs that its template was rendered from.
pub const TEMPLATE_INPUTS: &str = "kaspr.io/template-inputs";
/// On a StatefulSet that was made over pods which ran already: how many they were. It goes when that count
/// has an owner besides the operator, who then lets go of it.
pub const FOUND_REPLICAS: &str = "kaspr.io/found-replicas";
/// On a StatefulSet: the versions of the Secrets that its pods were made with, where they are looked at.
/// On its template: those of the last change of a Secret that replaced pods.
pub const SECRET_VERSIONS: &str = "kaspr.io/secret-versions";
/// On a definition's ConfigMap of ours: the digest of the spec that its data was rendered from.
pub const DEFINITION_INPUTS: &str = "kaspr.io/definition-inputs";
/// Beside it: the digest of that data, so that a change by hand is told from another rendering.
pub const DEFINITION_DIGEST: &str = "kaspr.io/definition-digest";

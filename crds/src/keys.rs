//! Every label and annotation key, manager name and condition type that Kaspr objects carry.
//!
//! All of them are read by people's scripts and by the original operator, so none ever changes.

/// API group of the six kinds.
pub const GROUP: &str = "kaspr.io";
/// The one version of the group.
pub const VERSION: &str = "v1alpha1";
/// Group and version, as `apiVersion` has them.
pub const API_VERSION: &str = "kaspr.io/v1alpha1";

/// Field manager of all that the operator applies.
pub const FIELD_MANAGER: &str = "kaspr-operator";
/// Field manager of counts that go through the scale subresource, so that the HPA can take them
/// over.
pub const FIELD_MANAGER_SCALE: &str = "kaspr-operator-scale";
/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "kaspr-operator";

/// The app that a component belongs to, and that an object was made for.
pub const LABEL_APP: &str = "kaspr.io/app";
/// Kind of the resource that an object was made for.
pub const LABEL_KIND: &str = "kaspr.io/kind";
/// App whose members a pod or a claim belongs to.
pub const LABEL_CLUSTER: &str = "kaspr.io/cluster";
/// Name of the StatefulSet, or of a component's ConfigMap.
pub const LABEL_NAME: &str = "kaspr.io/name";
/// Kind of the resource, once more.
pub const LABEL_COMPONENT_TYPE: &str = "kaspr.io/component-type";
/// What a claim is for; the packages' claim has [`COMPONENT_PYTHON_PACKAGES`].
pub const LABEL_COMPONENT: &str = "kaspr.io/component";
/// Value of [`LABEL_COMPONENT`] on the packages' claim.
pub const COMPONENT_PYTHON_PACKAGES: &str = "python-packages";
/// Kubernetes' recommended label for the name of an application.
pub const LABEL_K8S_NAME: &str = "app.kubernetes.io/name";
/// Kubernetes' recommended label for one instance of it.
pub const LABEL_K8S_INSTANCE: &str = "app.kubernetes.io/instance";
/// Kubernetes' recommended label for the larger whole.
pub const LABEL_K8S_PART_OF: &str = "app.kubernetes.io/part-of";
/// Kubernetes' recommended label for who manages an object.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// `true` in any case: the operator writes nothing for this app but status and what a person asks
/// for.
pub const ANNOTATION_PAUSE: &str = "kaspr.io/pause-reconciliation";
/// Any value but `false`: one rebalance is asked for; removed when it is owed.
pub const ANNOTATION_REBALANCE: &str = "kaspr.io/rebalance";
/// Whether a change of subscriptions rebalances by itself; wins over the operator's setting.
pub const ANNOTATION_AUTO_REBALANCE: &str = "kaspr.io/auto-rebalance";
/// Whether hung members are replaced; wins over the operator's setting.
pub const ANNOTATION_HUNG_DETECTION: &str = "kaspr.io/hung-member-detection-enabled";
/// Seconds after which a rebalancing member counts as hung; wins over the operator's setting.
pub const ANNOTATION_HUNG_THRESHOLD: &str = "kaspr.io/hung-rebalancing-threshold-seconds";
/// `true` in any case: members join their consumer group without a fixed identity.
pub const ANNOTATION_NO_STATIC_MEMBERSHIP: &str = "kaspr.io/disable-static-group-membership";
/// Whether another version of a Secret that the app names restarts its pods; on unless it says no. It
/// counts where the operator looks at Secrets.
pub const ANNOTATION_RESTART_ON_SECRET_CHANGE: &str = "kaspr.io/restart-on-secret-change";
/// Digest of an object as it was wanted when last applied.
pub const ANNOTATION_RESOURCE_HASH: &str = "kaspr.io/resource-hash";

/// What the annotations of the original's framework begin with.
pub const ORIGINAL_ANNOTATION_PREFIX: &str = "kopf.zalando.org/";
/// Finalizer of the original's framework.
pub const ORIGINAL_FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
/// The original's framework keeps the last spec that it handled here.
pub const ORIGINAL_LAST_HANDLED: &str = "kopf.zalando.org/last-handled-configuration";

/// Condition type: all desired members serve (app), or the live members have the definition
/// (component).
pub const CONDITION_READY: &str = "Ready";
/// Condition type: the operator is still bringing the objects of an app to what the spec says.
pub const CONDITION_PROGRESSING: &str = "Progressing";
/// Condition type: Python packages are installed; only while the spec has some.
pub const CONDITION_PYTHON_PACKAGES_READY: &str = "PythonPackagesReady";
/// Condition type: the spec passed the operator's rules.
pub const CONDITION_ACCEPTED: &str = "Accepted";
/// Condition type: the tables and channels that a component names are there, and the Secrets that an app
/// names where the operator looks at Secrets. Only where they name some.
pub const CONDITION_RESOLVED_REFS: &str = "ResolvedRefs";
/// Condition type of an app: it has more members than there are partitions to read. There only while that
/// is so.
pub const CONDITION_MEMBERS_IDLE: &str = "MembersIdle";
/// Condition type: every member answers, and none hangs.
pub const CONDITION_MEMBERS_HEALTHY: &str = "MembersHealthy";
/// Condition type: no rebalance is owed.
pub const CONDITION_REBALANCED: &str = "Rebalanced";
/// Condition type: the pods' template stands although this operator would render another one. There
/// only while that is so; the next rollout brings what it names.
pub const CONDITION_ROLLOUT_PENDING: &str = "RolloutPending";
/// Condition type: claims of members have not got yet what they ask for. There only while that is so.
pub const CONDITION_STORAGE_RESIZING: &str = "StorageResizing";
/// Condition type for generic tools: there only while `Progressing` is true.
pub const CONDITION_RECONCILING: &str = "Reconciling";
/// Condition type for generic tools: there only while a person has to act.
pub const CONDITION_STALLED: &str = "Stalled";

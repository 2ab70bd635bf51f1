//! The resources that the server knows, and the paths of requests.

use kaspr_core::ObjectKind;

/// One resource of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// One that the operator watches.
    Watched(ObjectKind),
    /// A kept pod template of a StatefulSet.
    Revision,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The resource.
    pub resource: Resource,
    /// The namespace.
    pub namespace: String,
    /// The name; empty for the collection.
    pub name: String,
    /// The subresource; empty for the object itself.
    pub below: String,
}

impl Resource {
    /// All of them, in the order in which the operator watches its own.
    pub const OTHERS: [Self; 1] = [Self::Revision];

    /// A pod.
    pub const POD: Self = Self::Watched(ObjectKind::Pod);
    /// A claim of storage.
    pub const CLAIM: Self = Self::Watched(ObjectKind::Claim);

    /// `apiVersion` as objects carry it.
    pub fn api_version(self) -> String {
        match self {
            Self::Watched(kind) => kind.api_version(),
            Self::Revision => "apps/v1".to_owned(),
        }
    }

    /// `kind` as objects carry it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Watched(kind) => kind.kind(),
            Self::Revision => "ControllerRevision",
        }
    }

    /// Its name in request paths.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Watched(kind) => kind.plural(),
            Self::Revision => "controllerrevisions",
        }
    }

    /// Its group; empty for the core.
    pub fn group(self) -> &'static str {
        match self {
            Self::Watched(kind) => kind.group(),
            Self::Revision => "apps",
        }
    }

    /// Whether it is one of the Kaspr kinds.
    pub fn is_custom(self) -> bool {
        matches!(self, Self::Watched(kind) if kind == ObjectKind::App || kind.is_component())
    }

    /// Whether `metadata.generation` counts the changes of its spec.
    ///
    /// Source: the strategies of the registry of kube-apiserver; observed on 1.37.
    pub fn has_generation(self) -> bool {
        self.is_custom() || matches!(self, Self::Watched(ObjectKind::StatefulSet | ObjectKind::Pod))
    }

    /// Whether its status is written through a subresource.
    pub fn has_status(self) -> bool {
        !matches!(
            self,
            Self::Watched(ObjectKind::ServiceAccount | ObjectKind::ConfigMap | ObjectKind::Secret)
                | Self::Revision
        )
    }

    /// The resource with this group and name in paths.
    pub fn find(group: &str, plural: &str) -> Option<Self> {
        let watched = ObjectKind::ALL.into_iter().map(Self::Watched);
        watched
            .chain(Self::OTHERS)
            .find(|resource| resource.group() == group && resource.plural() == plural)
    }

    /// The resource of an object by its `kind`.
    pub fn of_kind(kind: &str) -> Option<Self> {
        let watched = ObjectKind::ALL.into_iter().map(Self::Watched);
        watched.chain(Self::OTHERS).find(|resource| resource.kind() == kind)
    }
}

impl Place {
    /// Reads a path without its query; none for one that this server does not serve.
    pub fn read(path: &str) -> Option<Self> {
        let mut parts = path.trim_start_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let _version = parts.next()?;
        if parts.next()? != "namespaces" {
            return None;
        }
        let namespace = parts.next()?.to_owned();
        let resource = Resource::find(group, parts.next()?)?;
        let mut text = || parts.next().unwrap_or_default().to_owned();
        Some(Self { resource, namespace, name: text(), below: text() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_api_writes_them() {
        let place = Place::read("/apis/apps/v1/namespaces/n/statefulsets/a-app/scale").unwrap();
        assert_eq!(place.resource, Resource::Watched(ObjectKind::StatefulSet));
        assert_eq!((&*place.namespace, &*place.name, &*place.below), ("n", "a-app", "scale"));
        let place = Place::read("/api/v1/namespaces/n/configmaps").unwrap();
        assert_eq!((place.resource, &*place.name), (Resource::Watched(ObjectKind::ConfigMap), ""));
        assert_eq!(Place::read("/apis/other/v1/namespaces/n/things"), None);
    }
}

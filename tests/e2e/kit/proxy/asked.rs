//! What a request asks for, read from its head.

use http::request::Parts;
use http::{Method, header};

/// The verbs of the API, as the audit log names them; an apply is told from other patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Apply,
    Patch,
    Delete,
}

impl Verb {
    /// All that change something.
    pub(crate) const WRITES: [Self; 5] =
        [Self::Create, Self::Update, Self::Apply, Self::Patch, Self::Delete];
    /// All that are about one object.
    pub(crate) const OF_ONE: [Self; 6] =
        [Self::Get, Self::Create, Self::Update, Self::Apply, Self::Patch, Self::Delete];
    /// All that read a collection.
    pub(crate) const OF_MANY: [Self; 2] = [Self::List, Self::Watch];
}

/// One request, without its body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    /// With its subresource: `kasprapps/status`.
    pub(crate) resource: String,
    /// Empty for all namespaces.
    pub(crate) namespace: String,
    /// Empty for a collection.
    pub(crate) name: String,
}

impl Asked {
    pub(super) fn of(head: &Parts) -> Self {
        let (resource, namespace, name) = place(head.uri.path());
        let query = head.uri.query().unwrap_or_default();
        let is_watch = query.split('&').any(|pair| pair == "watch=1" || pair == "watch=true");
        let content = head.headers.get(header::CONTENT_TYPE);
        let is_apply = content
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/apply-patch"));
        let verb = match head.method {
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH if is_apply => Verb::Apply,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ if is_watch => Verb::Watch,
            _ if name.is_empty() => Verb::List,
            _ => Verb::Get,
        };
        Self { verb, resource, namespace, name }
    }

    pub(crate) fn is_write(&self) -> bool {
        Verb::WRITES.contains(&self.verb)
    }
}

/// Resource with subresource, namespace, name. Source: kubernetes.io/docs/reference/using-api/
/// api-concepts "Resource URIs".
fn place(path: &str) -> (String, String, String) {
    let mut steps = path.split('/').filter(|step| !step.is_empty());
    let above = if steps.next() == Some("api") { 1 } else { 2 };
    let mut rest: Vec<&str> = steps.skip(above).collect();
    let mut namespace = "";
    // Two steps are the namespace itself.
    if rest.len() > 2 && rest[0] == "namespaces" {
        namespace = rest[1];
        rest.drain(..2);
    }
    let at = |index: usize| rest.get(index).copied().unwrap_or_default();
    let resource = if at(2).is_empty() { at(0).to_owned() } else { [at(0), at(2)].join("/") };
    (resource, namespace.to_owned(), at(1).to_owned())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(method: &str, uri: &str, content: &str, expected: (Verb, &str, &str, &str)) {
        let request = Request::builder().method(method).uri(uri).header("content-type", content);
        let asked = Asked::of(&request.body(()).unwrap().into_parts().0);
        let (verb, resource, namespace, name) = expected;
        let texts = [asked.resource.as_str(), asked.namespace.as_str(), asked.name.as_str()];
        assert_eq!((asked.verb, texts), (verb, [resource, namespace, name]), "{method} {uri}");
    }

    #[test]
    fn a_request_is_read_from_its_head() {
        let json = "application/json";
        let apply = "application/apply-patch+yaml";
        let apps = "/apis/kaspr.io/v1alpha1/namespaces/n/kasprapps";
        let app = &format!("{apps}/a");
        check("GET", apps, json, (Verb::List, "kasprapps", "n", ""));
        check("GET", &format!("{apps}?limit=5"), json, (Verb::List, "kasprapps", "n", ""));
        let watch = &format!("{apps}?x=y&watch=true&z=1");
        check("GET", watch, json, (Verb::Watch, "kasprapps", "n", ""));
        check("GET", app, json, (Verb::Get, "kasprapps", "n", "a"));
        check("PATCH", app, apply, (Verb::Apply, "kasprapps", "n", "a"));
        let status = &format!("{app}/status?fieldManager=x");
        let merge = "application/merge-patch+json";
        check("PATCH", status, merge, (Verb::Patch, "kasprapps/status", "n", "a"));
        check("DELETE", "/api/v1/namespaces/n/pods/p", json, (Verb::Delete, "pods", "n", "p"));
        check("POST", "/api/v1/namespaces/n/pods", json, (Verb::Create, "pods", "n", ""));
        check("GET", "/apis/apps/v1/statefulsets", json, (Verb::List, "statefulsets", "", ""));
        check("GET", "/api/v1/namespaces/n", json, (Verb::Get, "namespaces", "", "n"));
    }
}

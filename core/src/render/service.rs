//! The two Services of an app.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{Owner, body, default_labels, manifest, metadata, selector_labels, underlay};
use super::names::Names;
use crate::action::Manifest;
use crate::app::App;
use crate::key::{ObjectKind, ObjectRef};

/// Service `<app>-app-api`: where clients reach the workers' web views.
pub fn api_service(app: &App, owner: &Owner, names: &Names) -> Manifest {
    let spec = ServiceSpec { type_: Some("ClusterIP".to_owned()), ..spec(app, owner) };
    service(app, owner, names, &names.api_service, spec)
}

/// Service `<app>-app`: gives each member its DNS name, also before it is ready.
pub fn headless_service(app: &App, owner: &Owner, names: &Names) -> Manifest {
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        ..spec(app, owner)
    };
    service(app, owner, names, &names.base, spec)
}

fn spec(app: &App, owner: &Owner) -> ServiceSpec {
    let port = i32::from(app.config.web_port);
    ServiceSpec {
        selector: Some(selector_labels(&owner.name)),
        ports: Some(vec![ServicePort {
            name: Some("http".to_owned()),
            protocol: Some("TCP".to_owned()),
            port,
            target_port: Some(IntOrString::Int(port)),
            ..ServicePort::default()
        }]),
        ..ServiceSpec::default()
    }
}

fn service(app: &App, owner: &Owner, names: &Names, name: &str, spec: ServiceSpec) -> Manifest {
    let template = app.spec.template.as_ref().and_then(|template| template.service.as_ref());
    let given = template.and_then(|template| template.metadata.as_ref());
    // The operator's labels win over the template's, and those over the app's own.
    let mut labels = default_labels(owner, &names.base);
    underlay(
        &mut labels,
        given.and_then(|given| given.labels.as_ref()).unwrap_or(&BTreeMap::new()),
    );
    underlay(&mut labels, &owner.labels);
    let annotations = given.and_then(|given| given.annotations.as_ref());
    let service = Service {
        metadata: metadata(owner, name, labels, annotations),
        spec: Some(spec),
        ..Service::default()
    };
    let body = body(&service);
    let object = ObjectRef::new(ObjectKind::Service, &owner.namespace, name);
    manifest(object, body)
}

//! The ServiceAccount of an app's workers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata::{Owner, app_labels, body, manifest, metadata, overlay};
use super::names::Names;
use crate::action::Manifest;
use crate::app::App;
use crate::key::{ObjectKind, ObjectRef};

/// ServiceAccount `<app>-app`: metadata only; no rights are bound to it.
pub fn service_account(app: &App, owner: &Owner, names: &Names) -> Manifest {
    let template =
        app.spec.template.as_ref().and_then(|template| template.service_account.as_ref());
    let given = template.and_then(|template| template.metadata.as_ref());
    let mut labels = app_labels(owner, &names.base);
    overlay(&mut labels, given.and_then(|given| given.labels.as_ref()).unwrap_or(&BTreeMap::new()));
    let annotations = given.and_then(|given| given.annotations.as_ref());
    let account = ServiceAccount {
        metadata: metadata(owner, &names.base, labels, annotations),
        ..ServiceAccount::default()
    };
    let body = body(&account);
    let object = ObjectRef::new(ObjectKind::ServiceAccount, &owner.namespace, &names.base);
    manifest(object, body)
}

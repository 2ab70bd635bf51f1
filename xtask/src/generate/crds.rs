//! The custom resource definitions, from the types.

use anyhow::{Context, Result};

use super::{Files, HEADER, yaml};

pub(super) const FOLDER: &str = "deploy/crds";

/// A file for each definition, and the list of them for kustomize. Its name has no extension, so
/// that `kubectl apply -f` on the folder takes the definitions only.
pub(super) fn files() -> Result<Files> {
    let mut files = Files::new();
    let mut list = HEADER.to_owned();
    list.push_str("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n");
    for crd in kaspr_crds::all() {
        let name = crd.metadata.name.as_deref().context("a CRD has no name")?;
        files.insert(format!("{FOLDER}/{name}.yaml"), yaml(&[&crd])?);
        list = format!("{list}  - {name}.yaml\n");
    }
    files.insert(format!("{FOLDER}/Kustomization"), list);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

    use super::*;

    #[test]
    fn what_is_written_reads_back_as_the_same_definition() {
        let wanted = files().unwrap();
        assert_eq!(wanted.len(), 7);
        for crd in kaspr_crds::all() {
            let name = format!("{FOLDER}/{}.yaml", crd.metadata.name.clone().unwrap());
            let read: CustomResourceDefinition = serde_saphyr::from_str(&wanted[&name]).unwrap();
            let json = |crd| serde_json::to_value(crd).unwrap();
            assert_eq!(json(read), json(crd), "{name}");
        }
    }
}

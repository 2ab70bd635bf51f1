//! `spec.version` and `spec.image` -> the image of the workers.
//!
//! Source: the version table of Kaspr operator 0.18.51, first row of each version.

use crate::invalid::Invalid;

/// The version of an app that names neither version nor image.
pub const DEFAULT_VERSION: &str = "0.11.19";

/// The repository of all worker images.
const REPOSITORY: &str = "kasprio/kaspr";

/// Versions whose tag is the version itself.
const PLAIN: [&str; 19] = [
    "0.11.19",
    "0.11.18",
    "0.11.17",
    "0.11.16",
    "0.11.15",
    "0.11.14",
    "0.11.13",
    "0.11.12",
    "0.11.11",
    "0.11.9",
    "0.11.8",
    "0.11.7",
    "0.11.6",
    "0.11.5",
    "0.11.4",
    "0.11.2",
    "0.10.6",
    "0.3.0-dev1",
    "0.1.0",
];

/// Versions whose tag is the version with `-alpha`.
const ALPHA: [&str; 32] = [
    "0.10.5", "0.10.4", "0.10.3", "0.10.2", "0.10.1", "0.9.1", "0.8.2", "0.8.1", "0.8.0", "0.7.4",
    "0.7.3", "0.7.2", "0.7.1", "0.7.0", "0.6.15", "0.6.14", "0.6.13", "0.6.12", "0.6.11", "0.6.10",
    "0.6.9", "0.6.8", "0.6.7", "0.5.11", "0.5.10", "0.5.9", "0.5.8", "0.5.6", "0.5.4", "0.5.2",
    "0.5.1", "0.4.4",
];

/// Versions whose tag is another version: the worker and its image were numbered apart.
const RENUMBERED: [(&str, &str); 17] = [
    ("0.7.5", "0.7.6-alpha"),
    ("0.6.0", "0.6.6-alpha"),
    ("0.5.28", "0.6.5-alpha"),
    ("0.5.27", "0.6.5-alpha"),
    ("0.5.26", "0.6.4-alpha"),
    ("0.5.25", "0.6.3-alpha"),
    ("0.5.24", "0.6.2-alpha"),
    ("0.5.22", "0.6.1-alpha"),
    ("0.5.21", "0.5.19-alpha"),
    ("0.5.20", "0.5.19-alpha"),
    ("0.5.19", "0.5.18-alpha"),
    ("0.5.18", "0.5.17-alpha"),
    ("0.5.17", "0.5.16-alpha"),
    ("0.5.16", "0.5.15-alpha"),
    ("0.5.15", "0.5.14-alpha"),
    ("0.5.14", "0.5.13-alpha"),
    ("0.5.13", "0.5.12-alpha"),
];

/// The image of an app.
///
/// A given image wins and its version is not looked at. Else the version decides, and without one
/// `pinned`, the default that the app was first given. A registry is put before every image.
pub fn resolve(
    image: Option<&str>,
    version: Option<&str>,
    pinned: &str,
    registry: &str,
) -> Result<String, Invalid> {
    let image = match (image.filter(|image| !image.trim().is_empty()), version) {
        (Some(image), _) => image.to_owned(),
        (None, Some(version)) => of_version(version).ok_or_else(|| unsupported(version))?,
        // A pinned default of another release of the operator is still an image by its name.
        (None, None) => of_version(pinned).unwrap_or_else(|| format!("{REPOSITORY}:{pinned}")),
    };
    let registry = registry.trim_end_matches('/');
    Ok(if registry.is_empty() { image } else { format!("{registry}/{image}") })
}

fn of_version(version: &str) -> Option<String> {
    let tag = if PLAIN.contains(&version) {
        version.to_owned()
    } else if ALPHA.contains(&version) {
        format!("{version}-alpha")
    } else {
        RENUMBERED.iter().find(|(known, _)| *known == version)?.1.to_owned()
    };
    Some(format!("{REPOSITORY}:{tag}"))
}

fn unsupported(version: &str) -> Invalid {
    Invalid::new(
        "spec.version",
        "this operator knows no image for it",
        format!("use a supported version (the newest is {DEFAULT_VERSION}), or set spec.image"),
    )
    .with_value(&version.into())
}

/// The version of a worker image of the repository that versions stand for, behind whatever
/// registry: one of the table, or its tag.
pub fn running_version(image: &str) -> Option<&str> {
    let (repository, tag) = image.rsplit_once(':')?;
    let is_known = repository == REPOSITORY || repository.ends_with(&format!("/{REPOSITORY}"));
    let plain = tag.strip_suffix("-alpha").filter(|version| ALPHA.contains(version));
    is_known.then_some(plain.unwrap_or(tag))
}

/// The version that an image stands for: the text after the last `:` of its last path segment;
/// empty where the image has no tag (a digest, or nothing).
pub fn version_of(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    let segment = image.rsplit_once('/').map_or(image, |(_, segment)| segment);
    segment.rsplit_once(':').map_or("", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: Option<&str>, version: Option<&str>, registry: &str, expected: &str) {
        assert_eq!(resolve(image, version, DEFAULT_VERSION, registry).unwrap(), expected);
    }

    #[test]
    fn an_image_wins_over_a_version() {
        check(Some("reg:5000/a:1"), Some("nonsense"), "", "reg:5000/a:1");
        check(None, Some("0.7.5"), "", "kasprio/kaspr:0.7.6-alpha");
        check(None, Some("0.8.0"), "", "kasprio/kaspr:0.8.0-alpha");
        check(None, None, "", "kasprio/kaspr:0.11.19");
    }

    #[test]
    fn a_registry_stands_before_every_image() {
        check(None, None, "mirror.internal//", "mirror.internal/kasprio/kaspr:0.11.19");
        check(Some("a:1"), None, "mirror.internal", "mirror.internal/a:1");
    }

    #[test]
    fn an_unsupported_version_is_refused_by_name() {
        let invalid = resolve(None, Some("0.1.1"), DEFAULT_VERSION, "").unwrap_err();
        assert_eq!(invalid.field, "spec.version");
    }

    #[test]
    fn a_running_image_gives_the_version_that_makes_it_again() {
        for tag in ["0.11.17", "0.8.0-alpha", "0.7.6-alpha"] {
            let image = format!("kasprio/kaspr:{tag}");
            let pinned = running_version(&image).unwrap();
            assert_eq!(resolve(None, None, pinned, "").unwrap(), image);
        }
        assert_eq!(running_version("mirror.internal/kasprio/kaspr:0.11.17"), Some("0.11.17"));
        assert_eq!(running_version("other/kaspr:1"), None);
    }

    #[test]
    fn a_port_is_no_version() {
        assert_eq!(version_of("reg:5000/kaspr"), "");
        assert_eq!(version_of("reg:5000/kaspr:1.2"), "1.2");
        assert_eq!(version_of("kasprio/kaspr@sha256:abc"), "");
    }
}

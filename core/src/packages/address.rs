//! Where packages come from and are kept: indexes, hosts, buckets. What the program that installs would
//! refuse is refused here, before a pod stops for it.

use kaspr_crds::{Gcs, PythonPackages};

use crate::invalid::Invalid;
use crate::mask;

/// Printable ASCII, which is all that an address has. Blanks are another question.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Checks indexes, hosts and the login for them.
pub(super) fn check(spec: &PythonPackages, problems: &mut Vec<Invalid>, odd: &mut Vec<Invalid>) {
    let all = |field: &str, list: &Option<Vec<String>>| -> Vec<(String, String)> {
        let at = |at| format!("spec.pythonPackages.{field}[{at}]");
        list.iter().flatten().enumerate().map(|(index, text)| (at(index), text.clone())).collect()
    };
    // Of a look without texts nothing more is known; an empty one is none.
    let is_told = |(_, text): &(String, String)| !text.is_empty() && !mask::is_mask(text);
    let one = ("spec.pythonPackages.indexUrl".to_owned(), spec.index_url.clone());
    let one = one.1.map(|url| (one.0, url));
    let urls = one.into_iter().chain(all("extraIndexUrls", &spec.extra_index_urls));
    for (field, url) in urls.filter(is_told) {
        check_url(field, &url, problems, odd);
    }
    for (field, host) in all("trustedHosts", &spec.trusted_hosts) {
        if host.is_empty() || host.contains(' ') || !is_plain(&host) {
            let remedy = "write a host, or host:port";
            problems.push(Invalid::new(field, "it is no host", remedy));
        }
    }
    if spec.credentials.is_some() && spec.index_url.is_none() {
        odd.push(Invalid::new(
            "spec.pythonPackages.credentials",
            "there is no index to log in to: the login goes to spec.pythonPackages.indexUrl alone",
            "add indexUrl, or remove the credentials",
        ));
    }
}

fn check_url(field: String, url: &str, problems: &mut Vec<Invalid>, odd: &mut Vec<Invalid>) {
    if url.contains(' ') || !is_plain(url) {
        let problem = "there is a blank in it, or a character that no address has";
        problems.push(Invalid::new(field, problem, "write one address, other letters as %XX"));
        return;
    }
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(host) = rest.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty())
    else {
        let problem = "it is no address of an index";
        problems.push(Invalid::new(field, problem, "write https://host/simple"));
        return;
    };
    if host.contains('@') {
        odd.push(Invalid::new(
            field,
            "whoever reads the app or its pods reads the login in it",
            "put it into a Secret, and name that in spec.pythonPackages.credentials",
        ));
    }
}

/// Checks the names that a bucket is found by.
pub(super) fn check_bucket(gcs: &Gcs, prefix: &str, key: &str, problems: &mut Vec<Invalid>) {
    let mut refuse = |field: &str, problem: &str, remedy: &str| {
        let field = format!("spec.pythonPackages.cache.gcs.{field}");
        problems.push(Invalid::new(field, problem, remedy));
    };
    // Source: cloud.google.com/storage/docs/buckets "Bucket names".
    let is_of_bucket =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if gcs.bucket.is_empty() || !gcs.bucket.bytes().all(is_of_bucket) {
        refuse(
            "bucket",
            "no bucket has this name",
            "use lower-case letters, digits, '-', '_', '.'",
        );
    }
    if !is_plain(prefix) {
        refuse("prefix", "it holds a character other than ASCII", "write another one");
    }
    // Source: kubernetes.io/docs/concepts/configuration/secret, "keys".
    let is_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !key.bytes().all(is_of_key) {
        refuse("secretRef.key", "no key of a Secret is so", "use letters, digits, '-', '_', '.'");
    }
}

//! Python packages: what is refused, what the installing container is told, and that it is told as data.

use kaspr_core::ObjectKind;
use kaspr_core::check::check;
use kaspr_core::decide;
use kaspr_core::packages::PROGRAM;
use kaspr_core::settings::Settings;
use kaspr_fixtures::World;
use kaspr_recording::{Look, redact};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::defects::{app, settled};

pub(crate) fn with(packages: Value) -> Value {
    app(json!({ "replicas": 2, "pythonPackages": packages }))
}

fn some(more: Value) -> Value {
    let mut packages = json!({ "packages": ["six==1.16.0", "requests"] });
    packages.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    with(packages)
}

pub(crate) fn refused(object: &Value) -> Vec<String> {
    let found = check(std::slice::from_ref(object), &Settings::default());
    let is_error =
        |one: &kaspr_core::check::Finding| one.severity == kaspr_core::check::Severity::Error;
    found.into_iter().filter(is_error).map(|one| one.problem.field).collect()
}

fn told(object: &Value) -> Vec<String> {
    let found = check(std::slice::from_ref(object), &Settings::default());
    found.into_iter().map(|one| one.problem.field).collect()
}

fn pod(world: &World) -> Value {
    let set = world.snapshot().children.stateful_set.present().unwrap().clone();
    set["spec"]["template"]["spec"].clone()
}

fn variable(container: &Value, name: &str) -> Value {
    let env = container["env"].as_array().unwrap();
    env.iter().find(|one| one["name"] == name).cloned().unwrap_or_default()
}

/// What the program is told, after Kubernetes has expanded the variable.
fn task(pod: &Value) -> Value {
    let value = variable(&pod["initContainers"][0], "KASPR_INSTALL")["value"].clone();
    serde_json::from_str(&expanded(value.as_str().unwrap())).unwrap()
}

/// Kubernetes' expansion where every variable has the value `LEAKED`.
/// Source: k8s.io/kubernetes/third_party/forked/golang/expansion.
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((_, after)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            out.push_str("LEAKED");
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

fn volume(pod: &Value, name: &str) -> Value {
    let volumes = pod["volumes"].as_array().unwrap();
    volumes.iter().find(|volume| volume["name"] == name).cloned().unwrap_or_default()
}

/// D-07, D-41, D-60
#[test]
fn packages_are_installed_before_the_worker_starts() {
    let world = settled(&[some(json!({}))]);
    let pod = pod(&world);
    let installer = &pod["initContainers"][0];
    assert_eq!(installer["name"], "install-packages");
    assert_eq!(installer["image"], pod["containers"][0]["image"]);
    assert_eq!(installer["command"], json!(["python", "-I", "-c"]));
    assert_eq!(expanded(installer["args"][0].as_str().unwrap()), PROGRAM);
    let task = task(&pod);
    assert_eq!(task["packages"], json!(["six==1.16.0", "requests"]));
    assert_eq!(
        (&task["mode"], &task["attempts"], &task["timeoutSeconds"], &task["onFailure"]),
        (&json!("ephemeral"), &json!(3), &json!(600), &json!("block"))
    );
    assert_eq!(volume(&pod, "orders-app-packages")["emptyDir"], json!({}));
    let worker = &pod["containers"][0];
    let path = format!("/opt/kaspr/packages/{}", task["set"].as_str().unwrap());
    assert_eq!(variable(worker, "PYTHONPATH")["value"], path);
    assert_eq!(variable(worker, "PACKAGES_HASH")["value"], task["hash"]);
    let mounts = worker["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["mountPath"] == "/opt/kaspr/packages").unwrap();
    assert_eq!(mount["readOnly"], true);
    // An image whose Python may be another one has a set of its own.
    let mut other = some(json!({}));
    other["spec"]["image"] = json!("reg.internal/kaspr:2");
    assert_ne!(self::task(&self::pod(&settled(&[other])))["set"], task["set"]);
}

/// D-12
#[test]
fn the_shared_claim_is_made_before_the_pods_that_mount_it_and_grows() {
    let cache =
        |size: &str| json!({ "cache": { "enabled": true, "size": size, "storageClass": "nfs" } });
    let mut world = settled(&[some(cache("512Mi"))]);
    let claim = |world: &World| {
        let key =
            kaspr_core::ObjectRef::new(ObjectKind::Claim, "shop", "orders-app-python-packages");
        world.objects[&key].clone()
    };
    let made = claim(&world);
    assert_eq!(made["spec"]["accessModes"], json!(["ReadWriteMany"]));
    assert_eq!(made["spec"]["storageClassName"], "nfs");
    assert_eq!(made["metadata"]["labels"]["kaspr.io/component"], "python-packages");
    assert_eq!(made["metadata"]["ownerReferences"][0]["name"], "orders");
    assert_eq!(task(&pod(&world))["mode"], "shared");
    let source = &volume(&pod(&world), "orders-app-packages")["persistentVolumeClaim"];
    assert_eq!(source["claimName"], "orders-app-python-packages");
    let before = pod(&world);
    world.put(some(cache("1Gi")));
    let plans = world.settle();
    assert!(!plans.iter().any(kaspr_core::Plan::has_irreversible), "storage restarts nobody");
    assert_eq!(claim(&world)["spec"]["resources"]["requests"]["storage"], "1Gi");
    // It cannot shrink, and another class is for another claim.
    world
        .put(some(json!({ "cache": { "enabled": true, "size": "1Mi", "storageClass": "other" } })));
    world.settle();
    assert_eq!(claim(&world)["spec"]["resources"]["requests"]["storage"], "1Gi");
    assert_eq!(claim(&world)["spec"]["storageClassName"], "nfs");
    assert_eq!(pod(&world), before);
}

/// D-13
#[test]
fn a_claim_that_is_to_be_kept_belongs_to_nobody() {
    let kept = |kept: bool| some(json!({ "cache": { "enabled": true, "deleteClaim": !kept } }));
    let owners = |world: &World| {
        let key =
            kaspr_core::ObjectRef::new(ObjectKind::Claim, "shop", "orders-app-python-packages");
        world.objects[&key]["metadata"]["ownerReferences"].clone()
    };
    let mut world = settled(&[kept(true)]);
    assert_eq!(owners(&world), Value::Null);
    world.put(kept(false));
    world.settle();
    assert_eq!(owners(&world)[0]["name"], "orders");
    world.put(kept(true));
    world.settle();
    assert_eq!(owners(&world), Value::Null);
    // Nor does it go while the app lives.
    world.put(app(json!({ "replicas": 2 })));
    world.settle();
    assert_eq!(owners(&world), Value::Null);
}

/// D-17, D-37: and nothing is told of it that is always told.
#[test]
fn a_bucket_has_the_keys_of_the_original() {
    let gcs = json!({ "bucket": "b", "prefix": "/team//", "maxArchiveSize": "2g",
        "secretRef": { "name": "sa" } });
    let cache =
        json!({ "type": "gcs", "enabled": false, "accessMode": "ReadWriteMany", "gcs": gcs });
    let object = some(json!({ "cache": cache }));
    assert!(told(&object).is_empty());
    let world = settled(&[object]);
    let pod = pod(&world);
    let task = task(&pod);
    let hash = task["hash"].as_str().unwrap();
    let bucket = json!({ "name": "b", "key": format!("team/orders-app/{hash}.tar.gz"),
        "maxBytes": 2_000_000_000_i64, "credentials": "/var/run/secrets/gcs/sa.json" });
    assert_eq!((&task["mode"], &task["bucket"]), (&json!("bucket"), &bucket));
    assert_eq!(volume(&pod, "gcs-sa-key")["secret"]["secretName"], "sa");
    let mounts = &pod["initContainers"][0]["volumeMounts"];
    assert!(mounts.to_string().contains("/var/run/secrets/gcs"), "{mounts}");
    assert!(!pod["containers"][0].to_string().contains("gcs"), "the worker does not need the key");
}

/// D-09
#[test]
fn a_login_is_a_reference_and_needs_an_index() {
    let credentials = json!({ "secretRef": { "name": "pypi", "passwordKey": "token" } });
    let object = some(json!({ "indexUrl": "https://i/simple", "credentials": credentials }));
    let pod = pod(&settled(std::slice::from_ref(&object)));
    let password = variable(&pod["initContainers"][0], "PYPI_PASSWORD");
    let secret = &password["valueFrom"]["secretKeyRef"];
    assert_eq!((&secret["name"], &secret["key"]), (&json!("pypi"), &json!("token")));
    assert!(told(&object).is_empty());
    let field = "spec.pythonPackages.credentials";
    assert_eq!(told(&some(json!({ "credentials": credentials }))), [field]);
    let url = json!({ "indexUrl": "https://user:word@i/simple" });
    assert_eq!(told(&some(url)), ["spec.pythonPackages.indexUrl"]);
}

/// D-08, F1: a reference is resolved from what the user declared, never from the operator.
#[test]
fn a_variable_comes_from_a_secret_that_the_user_names() {
    let entry = "git+https://${TOKEN}@host/team/a.git";
    let field = "spec.pythonPackages.packages[0]";
    assert_eq!(refused(&with(json!({ "packages": [entry] }))), [field]);
    let mut object = with(json!({ "packages": [entry, "six"] }));
    let token =
        json!({ "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } });
    object["spec"]["template"] = json!({ "pythonPackagesInitContainer": { "env": [token] } });
    let pod = pod(&settled(&[object]));
    let task = task(&pod);
    assert_eq!(task["packages"][0], entry, "it is told as it was written");
    assert_eq!(task["variables"], json!(["TOKEN"]));
    assert_eq!(variable(&pod["initContainers"][0], "TOKEN"), token);
    assert_eq!(variable(&pod["containers"][0], "TOKEN"), Value::Null);
}

/// D-16, D-39, D-40
#[test]
fn what_pip_would_not_take_is_refused_by_name() {
    let entries = ["a=1", "six", "$(id)", "-r x", "a\nb"];
    let fields = [0, 2, 3, 4].map(|at| format!("spec.pythonPackages.packages[{at}]"));
    assert_eq!(refused(&with(json!({ "packages": entries }))), fields);
    assert_eq!(refused(&with(json!({ "packages": [] }))), ["spec.pythonPackages.packages"]);
    let policy = |policy: Value| some(json!({ "installPolicy": policy }));
    let field = "spec.pythonPackages.installPolicy";
    assert_eq!(refused(&policy(json!({ "onFailure": "warn" }))), [format!("{field}.onFailure")]);
    assert_eq!(refused(&policy(json!({ "timeout": 5 }))), [format!("{field}.timeout")]);
    let never = policy(json!({ "retries": 0 }));
    assert_eq!(told(&never), [format!("{field}.retries")]);
    assert_eq!(task(&pod(&settled(&[never])))["attempts"], 1);
}

/// What the program would refuse, when the pods of before are gone.
#[test]
fn what_cannot_be_an_address_is_refused_by_name() {
    for url in ["file:///srv/simple", "ftp://i/simple", "https://", "i/simple", "https://i/\u{e9}"]
    {
        let field = "spec.pythonPackages.indexUrl";
        assert_eq!(refused(&some(json!({ "indexUrl": url }))), [field], "{url}");
        let field = "spec.pythonPackages.extraIndexUrls[0]";
        assert_eq!(refused(&some(json!({ "extraIndexUrls": [url] }))), [field], "{url}");
    }
    let hosts = json!({ "trustedHosts": ["i:8080", "", "a b"] });
    let fields = [1, 2].map(|at| format!("spec.pythonPackages.trustedHosts[{at}]"));
    assert_eq!(refused(&some(hosts)), fields);
    let bucket = |name: &str, prefix: &str, key: &str| {
        let gcs =
            json!({ "bucket": name, "prefix": prefix, "secretRef": { "name": "s", "key": key } });
        refused(&some(json!({ "cache": { "type": "gcs", "gcs": gcs } })))
    };
    assert!(bucket("a-b_1.c", "team x/", "sa.json").is_empty());
    for (name, prefix, key, field) in [
        ("Team", "", "k", "bucket"),
        ("", "", "k", "bucket"),
        ("b", "\u{e9}/", "k", "prefix"),
        ("b", "", "../k", "secretRef.key"),
    ] {
        let field = format!("spec.pythonPackages.cache.gcs.{field}");
        assert_eq!(bucket(name, prefix, key), [field]);
    }
    let policy = json!({ "installPolicy": { "retries": i32::MAX, "timeout": i32::MAX } });
    let task = task(&pod(&settled(&[some(policy)])));
    assert_eq!((&task["attempts"], &task["timeoutSeconds"]), (&json!(999_999), &json!(999_999)));
}

#[test]
fn an_installer_whose_files_are_read_only_gets_a_place_for_its_own() {
    let with = |container: Value| {
        let mut object = some(json!({}));
        object["spec"]["template"] = json!({ "pythonPackagesInitContainer": container,
            "pod": { "volumes": [{ "name": "own", "emptyDir": {} }] } });
        pod(&settled(&[object]))
    };
    let context = json!({ "readOnlyRootFilesystem": true });
    let pod = with(json!({ "securityContext": context }));
    assert_eq!(volume(&pod, "install-tmp")["emptyDir"], json!({}));
    let mount = json!({ "name": "install-tmp", "mountPath": "/tmp" });
    assert!(pod["initContainers"][0]["volumeMounts"].as_array().unwrap().contains(&mount));
    // Whoever has one there keeps it, and where everything can be written there is none.
    let own = json!([{ "name": "own", "mountPath": "/tmp" }]);
    let pod = with(json!({ "securityContext": context, "volumeMounts": own }));
    assert_eq!(volume(&pod, "install-tmp"), Value::Null);
    assert_eq!(volume(&with(json!({})), "install-tmp"), Value::Null);
}

/// D-58
#[test]
fn a_path_of_ones_own_is_added_to_that_of_the_packages() {
    let with_env = |one: Value| {
        let mut object = some(json!({}));
        object["spec"]["template"] = json!({ "kasprContainer": { "env": [one] } });
        object
    };
    let object = with_env(json!({ "name": "PYTHONPATH", "value": "/app:/lib" }));
    let mut world = settled(std::slice::from_ref(&object));
    let path =
        |world: &World| variable(&pod(world)["containers"][0], "PYTHONPATH")["value"].clone();
    let text = path(&world).as_str().unwrap().to_owned();
    assert!(text.starts_with("/opt/kaspr/packages/") && text.ends_with(":/app:/lib"), "{text}");
    assert!(told(&object).is_empty());
    // Masked, it is still told apart which of it is whose.
    let snapshot = world.snapshot();
    let plan = decide(&snapshot);
    let look = Look { snapshot: &snapshot, plan: &plan, decision: "1", came: &[] };
    let (masked, expected) = redact(&look).unwrap();
    assert_eq!(decide(&masked), expected);
    assert!(!format!("{masked:?}").contains("/app:/lib"));
    // Without packages it is the user's alone.
    let mut plain = app(json!({ "replicas": 2 }));
    plain["spec"]["template"] = object["spec"]["template"].clone();
    world.put(plain);
    world.settle();
    assert_eq!(path(&world), "/app:/lib");
    let source = json!({ "secretKeyRef": { "name": "s", "key": "k" } });
    let elsewhere = with_env(json!({ "name": "PYTHONPATH", "valueFrom": source }));
    assert_eq!(told(&elsewhere), ["spec.template.kasprContainer.env"]);
}

/// D-14: every setting of packages reaches the pods, by one rollout.
#[test]
fn each_change_of_packages_is_one_rollout() {
    let mut world = settled(&[some(json!({}))]);
    for change in [
        json!({ "packages": ["six==1.17.0"] }),
        json!({ "indexUrl": "https://i/simple" }),
        json!({ "installPolicy": { "timeout": 900 } }),
        json!({ "resources": { "limits": { "memory": "1Gi" } } }),
        json!({ "cache": { "enabled": true } }),
    ] {
        let before = pod(&world);
        world.put(some(change.clone()));
        let plans = world.settle();
        let rolls =
            plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.action.verb() == "Roll");
        assert_eq!(rolls.count(), 1, "{change}");
        assert_ne!(pod(&world), before, "{change}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..crate::properties::config() })]

    /// Whatever an entry is made of: it is refused, or the program is told that very text.
    #[test]
    fn an_entry_is_refused_or_arrives_as_it_was_written(
        entry in "[a-z0-9$(){}\\[\\]<>=!~;,@ '\"`\\\\/#&|*:._+%\n\t\u{e9}-]{1,24}"
    ) {
        let object = with(json!({ "packages": [entry] }));
        if refused(&object).is_empty() {
            let task = task(&pod(&settled(&[object])));
            prop_assert_eq!(&task["packages"], &json!([entry]));
            prop_assert!(!entry.starts_with('-') && !entry.contains(['\n', '`', '\\']));
        }
    }
}

/// Sets what became of the installing container of each member.
fn installer(world: &mut World, state: &Value) {
    for name in ["orders-app-0", "orders-app-1"] {
        world.change(ObjectKind::Pod, name, &json!({ "status": { "installer": Value::Null } }));
        world.change(ObjectKind::Pod, name, &json!({ "status": { "installer": state } }));
    }
    for _ in 0..3 {
        world.elapse(6_000);
        world.pass();
    }
}

fn said(world: &World) -> (Value, Value) {
    let app = world.snapshot().app.present().unwrap().clone();
    let conditions = app["status"]["conditions"].as_array().unwrap();
    let condition = conditions.iter().find(|one| one["type"] == "PythonPackagesReady");
    (condition.cloned().unwrap_or_default(), app["status"]["pythonPackages"].clone())
}

#[test]
fn what_became_of_packages_stands_in_the_status() {
    let mut world = settled(&[some(json!({ "cache": { "enabled": true } }))]);
    let (condition, status) = said(&world);
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("False"), &json!("Installing"))
    );
    assert_eq!((&status["cacheMode"], &status["installed"]), (&json!("persistent"), &Value::Null));

    installer(
        &mut world,
        &json!({ "exitCode": 0, "told": { "state": "Installed", "source": "pip",
        "installTime": "2030-03-17T17:46:40.000000+00:00", "duration": "4.2s",
        "installedBy": "orders-app-0" } }),
    );
    let (condition, status) = said(&world);
    assert_eq!(condition["reason"], "PackagesInstalled");
    assert_eq!(condition["message"], "Successfully installed 2 packages in 4.2s");
    assert_eq!(status["installed"], json!(["six==1.16.0", "requests"]));
    assert_eq!(status["installedBy"], "orders-app-0");

    // D22: what an earlier state said goes with it.
    installer(
        &mut world,
        &json!({ "waiting": { "reason": "CrashLoopBackOff" },
        "told": { "state": "Failed", "error": "network" } }),
    );
    let (condition, status) = said(&world);
    assert_eq!(condition["reason"], "InstallationFailed");
    assert!(condition["message"].as_str().unwrap().starts_with("Installation failed: network;"));
    assert_eq!((&status["installed"], &status["error"]), (&Value::Null, &json!("network")));

    // With `allow` the worker starts all the same, and it is told all the same.
    installer(
        &mut world,
        &json!({ "exitCode": 0, "told": { "state": "Failed", "error": "timeout" } }),
    );
    assert_eq!(said(&world).0["reason"], "InstallationFailed");

    world.put(app(json!({ "replicas": 2 })));
    world.settle();
    assert_eq!(said(&world), (Value::Null, Value::Null));
}

/// D-36
#[test]
fn a_bucket_is_a_mode_of_its_own() {
    let gcs = json!({ "bucket": "b", "secretRef": { "name": "sa" } });
    let world = settled(&[some(json!({ "cache": { "type": "gcs", "gcs": gcs } }))]);
    assert_eq!(said(&world).1["cacheMode"], "gcs");
}

#[test]
fn a_redacted_look_at_packages_is_decided_as_before() {
    for cache in [json!({ "enabled": true }), json!({ "enabled": false })] {
        let mut world = World::new("shop", "orders");
        world.put(some(json!({ "cache": cache })));
        for _ in 0..12 {
            let snapshot = world.snapshot();
            let plan = decide(&snapshot);
            let look = Look { snapshot: &snapshot, plan: &plan, decision: "1", came: &[] };
            let (masked, expected) = redact(&look).unwrap_or_else(|| panic!("{plan:#?}"));
            assert_eq!(decide(&masked), expected);
            assert!(!format!("{masked:?}{expected:?}").contains("six=="));
            world.pass();
            world.run_controllers();
            for name in ["orders-app-0", "orders-app-1"] {
                let installed = json!({ "installer": { "exitCode": 0, "told": {} } });
                world.change(ObjectKind::Pod, name, &json!({ "status": installed }));
            }
        }
        assert_eq!(said(&world).0["reason"], "PackagesInstalled");
    }
}

//! What is shipped to run the operator says the same as the operator.

use std::path::Path;

use clap::Parser;
use kaspr_runtime::args::{Cli, Command};
use kaspr_runtime::limits;
use kaspr_runtime::settings::METRICS_PORT;
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const FILES: [&str; 2] = ["deploy/install.yaml", "deploy/install-namespaced.yaml"];

fn read(file: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(tests.parent().unwrap().join(file)).unwrap()
}

/// The objects of a kind in an install file.
fn of_kind(file: &str, kind: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&read(file)).unwrap();
    objects.retain(|object| object["kind"] == kind);
    objects
}

/// The only object of a kind.
fn the(file: &str, kind: &str) -> Value {
    let mut objects = of_kind(file, kind);
    assert_eq!(objects.len(), 1, "{file} has more or less than one {kind}");
    objects.remove(0)
}

#[test]
fn the_pods_run_this_version_with_flags_that_it_knows_and_time_to_end() {
    for file in FILES {
        let pod = the(file, "Deployment")["spec"]["template"]["spec"].take();
        let container = &pod["containers"][0];
        assert_eq!(container["image"], format!("kaspr-operator:{VERSION}"));
        let args: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
        let cli = Cli::try_parse_from(["kaspr-operator".to_owned()].into_iter().chain(args));
        let Command::Run(args) = cli.unwrap().command else { panic!("{file} does not run") };
        assert!(!args.lease.no_lease, "two processes without a lease");
        let roles = of_kind(file, "Role");
        let places = roles.iter().map(|role| role["metadata"]["namespace"].as_str().unwrap());
        let places: Vec<&str> = places.filter(|place| *place != "kaspr-operator").collect();
        assert_eq!(args.cluster.namespace, places, "{file} watches where it may");
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace > limits::SHUTDOWN_WITHIN.as_secs(), "{file} kills it while it ends");
    }
}

#[test]
fn every_port_is_the_one_that_it_listens_on() {
    for file in FILES {
        let pod = the(file, "Deployment")["spec"]["template"]["spec"].take();
        let container = &pod["containers"][0];
        assert_eq!(container["ports"], json!([{"name": "metrics", "containerPort": METRICS_PORT}]));
        for (probe, page) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
            let asked = &container[probe]["httpGet"];
            assert_eq!(*asked, json!({"path": page, "port": "metrics"}));
        }
        let service = the(file, "Service");
        assert_eq!(service["spec"]["ports"][0]["targetPort"], "metrics");
        let policy = the(file, "NetworkPolicy");
        assert_eq!(policy["spec"]["ingress"], json!([{"ports": [{"port": METRICS_PORT}]}]));
    }
    assert!(read("Dockerfile").contains(&format!("\nEXPOSE {METRICS_PORT}\n")));
}

/// Beyond what the restricted standard asks for, which a real API server judges (`e2e/install.rs`).
#[test]
fn the_pods_can_write_nothing_and_carry_a_token_that_ends() {
    for file in FILES {
        let pod = the(file, "Deployment")["spec"]["template"]["spec"].take();
        let containers = pod["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        let container = &containers[0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        for resource in ["cpu", "memory"] {
            assert!(container["resources"]["limits"][resource].is_string(), "{resource}");
        }
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(the(file, "ServiceAccount")["automountServiceAccountToken"], false);
        let token = &pod["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
        assert_eq!(token["expirationSeconds"], 3600);
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(pod.get(host), None);
        }
    }
}

#[test]
fn the_image_is_of_this_version_and_runs_as_the_user_of_the_pods() {
    let image = read("Dockerfile");
    assert!(image.contains(&format!("image.version=\"{VERSION}\"")));
    let pod = the(FILES[0], "Deployment")["spec"]["template"]["spec"].take();
    let [user, group] =
        ["runAsUser", "runAsGroup"].map(|id| pod["securityContext"][id].as_u64().unwrap());
    assert!(user > 0 && image.contains(&format!("\nUSER {user}:{group}\n")));
    let toolchain = read("rust-toolchain.toml");
    let compiler = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(image.contains(&format!("FROM rust:{compiler}-slim")), "not built with {compiler}");
}

//! Keys to sign with, found where the AWS tools find them: by the gateway of this process' own
//! environment, which only a process of its own can have.

use std::{
    convert::Infallible,
    fs,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tollgate_tests::Home;

use super::using::simulator;

/// What a container's service or a machine's gives, and what it was asked for.
async fn giver() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&seen);
            let service = service_fn(move |request: Request<Incoming>| {
                seen.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
                let keys = |id: &str| {
                    json!({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": id,
                        "SecretAccessKey": "s3cret", "Token": "session",
                        "LastUpdated": "2020-01-01T00:00:00Z", "Expiration": "2099-01-01T00:00:00Z"})
                    .to_string()
                };
                let proof = request.headers().get("authorization").is_some_and(|it| it == "proof");
                let second = request.headers().get("x-aws-ec2-metadata-token");
                let second = second.is_some_and(|it| it == "imds-v2");
                let roles = "/latest/meta-data/iam/security-credentials/";
                let answer = match request.uri().path() {
                    "/container" if proof => Some(keys("AKIDCONTAINER")),
                    "/latest/api/token" => Some("imds-v2".to_owned()),
                    path if path == roles && second => Some("robot".to_owned()),
                    path if path == format!("{roles}robot") && second => Some(keys("AKIDMACHINE")),
                    _ => None,
                };
                let status = if answer.is_some() { 200 } else { 404 };
                let answer = Response::builder()
                    .status(status)
                    .header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
                    .body(Full::new(Bytes::from(answer.unwrap_or_default())));
                async move { Ok::<_, Infallible>(answer.unwrap()) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (format!("http://{addr}"), asked)
}

/// The `authorization` that arrives at the provider, or what the client is told.
async fn signed_with(variables: &[(&str, &str)], file: &str) -> String {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = 'amazon-bedrock'\nformat = ['openai-chat']\nbase_url = '{}/v1'\n\
         parameters = {{ region = 'eu-west-1' }}\napi_key = {{ aws = 'default' }}\n",
        simulator.base_url(),
    ));
    let folder = home.path().join(".aws");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("credentials"), file).unwrap();
    let product = home
        .serve_with(|it| {
            it.envs(variables.iter().copied());
        })
        .await;
    let tried = home.run(&["providers", "test", "amazon-bedrock", "--model", "gpt-5-mini"]).await;
    let arrived = simulator.calls().pop();
    product.stop().await;
    assert!(!tried.shown().contains("s3cret"), "{}", tried.shown());
    arrived.map_or(tried.shown(), |it| {
        let header = |name: &str| it.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
        assert_eq!(header("x-amz-security-token").as_deref(), Some("session"));
        header("authorization").unwrap()
    })
}

#[tokio::test]
async fn keys_are_found_where_the_aws_tools_find_them() {
    let (giver, asked) = giver().await;
    let with = |id: &str| {
        format!(
            "aws_access_key_id = {id}\naws_secret_access_key = s3cret\naws_session_token = session\n"
        )
    };
    let file = format!("[default]\n{}[work]\n{}", with("AKIDFILE"), with("AKIDWORK"));
    let container = format!("{giver}/container");
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    let service = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "proof"),
    ];
    let machine = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", giver.as_str())];
    let check = async |variables: &[(&str, &str)], file: &str, id: &str| {
        let found = signed_with(variables, file).await;
        let signed = format!("AWS4-HMAC-SHA256 Credential={id}/");
        assert!(found.starts_with(&signed), "{id}: {found}");
        assert!(found.contains("/eu-west-1/bedrock/aws4_request"), "{found}");
    };
    // Each wins over those after it.
    check(&[&environment[..], &service, &machine].concat(), &file, "AKIDENV").await;
    check(&[&service[..], &machine].concat(), &file, "AKIDFILE").await;
    check(&[("AWS_PROFILE", "work")], &file, "AKIDWORK").await;
    assert!(asked.lock().unwrap().is_empty(), "no service is asked where keys are at hand");
    check(&[&service[..], &machine].concat(), "", "AKIDCONTAINER").await;
    check(&machine, "", "AKIDMACHINE").await;
    let asked = asked.lock().unwrap().clone();
    assert!(asked.contains(&"PUT /latest/api/token".to_owned()), "{asked:?}");
    let none = signed_with(&[("AWS_EC2_METADATA_DISABLED", "true")], "").await;
    assert!(none.contains("get keys where the AWS tools find them"), "{none}");
}

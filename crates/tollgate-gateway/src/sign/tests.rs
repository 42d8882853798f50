use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_core::Secret;

use super::*;
use crate::{Limits, Proxies};

const NOW: UnixMs = UnixMs(1_440_938_160_000);

/// A token server on a free port: gives its answers in turn, the last one for ever, and remembers
/// what it was sent.
struct TokenServer {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    paths: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    async fn start(answers: Vec<(u16, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<(HeaderMap, String)>>> = Arc::default();
        let paths: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, seen_paths) = (Arc::clone(&asked), Arc::clone(&paths));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, answers) = (Arc::clone(&seen), answers.clone());
                let paths = Arc::clone(&seen_paths);
                let service = service_fn(move |request: Request<Incoming>| {
                    let (seen, answers) = (Arc::clone(&seen), answers.clone());
                    let path = request.uri().to_string();
                    paths.lock().unwrap_or_else(PoisonError::into_inner).push(path);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let body = String::from_utf8(body.to_vec()).unwrap();
                        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                        let turn = seen.len().min(answers.len() - 1);
                        seen.push((head.headers, body));
                        let (status, answer) = &answers[turn];
                        let answer = Full::new(Bytes::from(answer.to_string()));
                        let answer = Response::builder().status(*status).body(answer);
                        Ok::<_, Infallible>(answer.unwrap())
                    }
                });
                let io = TokioIo::new(stream);
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service),
                );
            }
        });
        Self { addr, asked, paths }
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn asked(&self) -> Vec<(HeaderMap, String)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn upstream() -> Arc<Upstream> {
    Arc::new(Upstream::new(Vec::new(), Proxies::default(), &Limits::default()).unwrap())
}

fn request(method: &str, uri: &str) -> request::Parts {
    Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
}

async fn signed(signer: &Signer, parts: &mut request::Parts) -> Result<(), String> {
    let signed = signer.sign(&upstream(), NOW, parts, &Bytes::new()).await;
    signed.map_err(|it| it.to_string())
}

fn authorization(parts: &request::Parts) -> String {
    let value = &parts.headers[header::AUTHORIZATION];
    assert!(value.is_sensitive());
    value.to_str().unwrap().to_owned()
}

fn person(server: &TokenServer) -> Signer {
    let key = json!({
        "type": "authorized_user",
        "client_id": "client&1",
        "client_secret": "client-secret",
        "refresh_token": "refresh-token",
        "quota_project_id": "payer",
        "token_uri": format!("http://{}/token", server.addr),
    });
    Signer::new(Signing::Google(GoogleKey::parse(&key.to_string()).unwrap()))
}

/// The example of AWS's documentation and of its published test suite (`get-vanilla`,
/// `get-vanilla-with-session-token`), which names its service `service`.
#[test]
fn a_signature_is_the_published_one() {
    let check = |session: Option<&str>, signed: &str, signature: &str| {
        let keys = aws_credential_types::Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            session.map(str::to_owned),
            None,
            "test",
        );
        let mut parts = request("GET", "https://example.amazonaws.com/");
        // What is not AWS's does not change the signature.
        parts.headers.insert("user-agent", "client".parse().unwrap());
        let now = std::time::UNIX_EPOCH + Duration::from_millis(NOW.0.cast_unsigned());
        aws::signed(keys, "us-east-1", "service", now, &mut parts, &Bytes::new()).unwrap();
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        );
        assert_eq!(authorization(&parts), expected);
        assert_eq!(parts.headers["x-amz-date"], "20150830T123600Z");
        let token = parts.headers.get("x-amz-security-token").map(|it| it.to_str().unwrap());
        assert_eq!(token, session);
    };
    let plain = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    check(None, "host;x-amz-date", plain);
    let session = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let with_session = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8";
    check(Some(session), "host;x-amz-date;x-amz-security-token", with_session);
}

#[tokio::test]
async fn a_signature_covers_the_body_and_a_models_path_as_bedrock_reads_it() {
    let fixed = AwsKeys::Fixed {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new("secret-key".to_owned()),
        session: None,
    };
    let signer = Signer::new(Signing::Aws { keys: fixed, region: "eu-west-1".to_owned() });
    assert!(signer.reads_body());
    let path = "/model/anthropic.claude-opus-4-6-v1%3A0/converse";
    let mut sent = Vec::new();
    for body in ["{}", "{ }", "{}"] {
        let mut parts =
            request("POST", &format!("https://bedrock-runtime.eu-west-1.amazonaws.com{path}"));
        parts.headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        let upstream = upstream();
        signer.sign(&upstream, NOW, &mut parts, &Bytes::from(body)).await.unwrap();
        assert_eq!(parts.uri.path(), path);
        let value = authorization(&parts);
        assert!(value.contains("/eu-west-1/bedrock/aws4_request, "), "{value}");
        assert!(value.contains("SignedHeaders=content-type;host;x-amz-date,"), "{value}");
        assert!(!value.contains("secret-key"));
        sent.push(value);
    }
    assert_eq!(sent[0], sent[2]);
    assert_ne!(sent[0], sent[1]);
}

#[tokio::test]
async fn keys_of_a_profile_are_read_from_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials");
    let text = "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = abc\n\
                aws_session_token = session\n";
    std::fs::write(&credentials, text).unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, "").unwrap();
    let files = ProfileFiles { config: Some(config), credentials: Some(credentials) };
    let signer = |name: &str| {
        let keys = AwsKeys::Profile { name: name.to_owned(), files: files.clone() };
        Signer::new(Signing::Aws { keys, region: "us-east-1".to_owned() })
    };
    let mut parts =
        request("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/a/converse");
    signed(&signer("work"), &mut parts).await.unwrap();
    assert!(authorization(&parts).contains("Credential=AKIDWORK/20150830/us-east-1/bedrock/"));
    assert_eq!(parts.headers["x-amz-security-token"], "session");
    let why = signed(&signer("nobody"), &mut parts).await.unwrap_err();
    assert!(why.contains("AWS profile `nobody`") && why.contains("not defined"), "{why}");
}

#[tokio::test]
async fn a_login_is_exchanged_once_and_its_token_kept() {
    let token = json!({"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"});
    let server = TokenServer::start(vec![(200, token)]).await;
    let signer = Arc::new(person(&server));
    assert!(!signer.reads_body());
    let calls = (0..8).map(|_| {
        let signer = Arc::clone(&signer);
        async move {
            let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
            signed(&signer, &mut parts).await.unwrap();
            parts
        }
    });
    for parts in futures_util::future::join_all(calls).await {
        assert_eq!(authorization(&parts), "Bearer ya29.token");
        assert_eq!(parts.headers["x-goog-user-project"], "payer");
    }
    let [(headers, form)] = &server.asked()[..] else { panic!("asked more than once") };
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(
        form,
        "grant_type=refresh_token&client_id=client%261&client_secret=client-secret\
         &refresh_token=refresh-token"
    );
}

#[tokio::test]
async fn a_token_that_ends_soon_is_renewed_and_serves_to_its_end() {
    let soon = |name: &str, lives_s: u64| json!({"access_token": name, "expires_in": lives_s});
    let fails = (503, json!({"error": "temporarily_unavailable"}));
    let answers = vec![
        (200, soon("first", 100)),
        fails,
        (200, soon("second", 3_600)),
        (200, soon("never", 3_600)),
    ];
    let server = TokenServer::start(answers).await;
    let signer = person(&server);
    let mut got = Vec::new();
    for _ in 0..4 {
        let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
        signed(&signer, &mut parts).await.unwrap();
        got.push(authorization(&parts));
    }
    assert_eq!(got, ["Bearer first", "Bearer first", "Bearer second", "Bearer second"]);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_refused_login_says_who_refused_it_and_why_and_shows_no_key() {
    let refusal = json!({"error": "invalid_grant", "error_description": "Token has been revoked."});
    let server = TokenServer::start(vec![(400, refusal)]).await;
    let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
    let why = signed(&person(&server), &mut parts).await.unwrap_err();
    assert_eq!(
        why,
        "get a token from `127.0.0.1`: HTTP 400: invalid_grant: Token has been revoked."
    );
    assert!(!parts.headers.contains_key(header::AUTHORIZATION));
    let server = TokenServer::start(vec![(200, json!({"token": "x"}))]).await;
    let why = signed(&person(&server), &mut parts).await.unwrap_err();
    assert!(why.ends_with("the answer has no `access_token`"), "{why}");
}

#[tokio::test]
async fn a_service_account_signs_its_own_request_for_a_token() {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .unwrap();
    let token = json!({"access_token": "ya29.service", "expires_in": "3600"});
    let server = TokenServer::start(vec![(200, token)]).await;
    let token_url = format!("http://{}/token", server.addr);
    let key = json!({
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "private_key_id": "key-1",
        "private_key": pair.serialize_pem(),
        "token_uri": token_url,
    });
    let key = GoogleKey::parse(&key.to_string()).unwrap();
    let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
    signed(&Signer::new(Signing::Google(key)), &mut parts).await.unwrap();
    assert_eq!(authorization(&parts), "Bearer ya29.service");
    assert!(!parts.headers.contains_key("x-goog-user-project"));

    let (_, form) = server.asked().remove(0);
    let (grant, assertion) = form.split_once("&assertion=").unwrap();
    assert_eq!(grant, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[&token_url]);
    rules.validate_exp = false;
    let public = DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes()).unwrap();
    let claims = jsonwebtoken::decode::<Value>(assertion, &public, &rules).unwrap();
    assert_eq!(claims.header.kid.as_deref(), Some("key-1"));
    assert_eq!(claims.claims["iss"], "robot@project.iam.gserviceaccount.com");
    assert_eq!(claims.claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(
        claims.claims["exp"].as_i64().unwrap() - claims.claims["iat"].as_i64().unwrap(),
        3_600
    );
    assert_eq!(claims.claims["iat"], NOW.0 / 1_000);
}

#[tokio::test]
async fn an_application_gets_entras_token_for_its_secret() {
    let token = json!({"access_token": "eyJ.entra", "expires_in": 3599});
    let server = TokenServer::start(vec![(200, token)]).await;
    let secret = Secret::new("app secret".to_owned());
    let authority = format!("http://{}/", server.addr);
    let key = EntraKey::new("tenant-1", "app-1".to_owned(), secret, Some(&authority)).unwrap();
    let mut parts = request("POST", "https://lab.openai.azure.com/openai/v1/chat/completions");
    signed(&Signer::new(Signing::Entra(key)), &mut parts).await.unwrap();
    assert_eq!(authorization(&parts), "Bearer eyJ.entra");
    let (_, form) = server.asked().remove(0);
    assert_eq!(
        form,
        "grant_type=client_credentials&client_id=app-1&client_secret=app%20secret\
         &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
    );
}

#[test]
fn a_key_that_cannot_be_used_says_why_and_is_not_shown() {
    let check = |key: Value, says: &str| {
        let error = GoogleKey::parse(&key.to_string()).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
    };
    check(json!("s3cret"), "no `type`");
    check(json!({"type": "gdch_service_account"}), "`gdch_service_account`: only");
    let federated = |source: Value| {
        json!({"type": "external_account", "audience": "a", "subject_token_type": "t",
            "credential_source": source})
    };
    check(federated(json!({"executable": {"command": "s3cret"}})), "runs a program, which is not");
    check(federated(json!({"environment_id": "aws1", "url": "s3cret"})), "signs in with AWS");
    check(federated(json!({"certificate": {}})), "shows a certificate");
    check(federated(json!({"url": "http://example.com/s3cret"})), "`credential_source.url`");
    let unnamed = json!({"file": "/t", "format": {"type": "json"}});
    check(federated(unnamed), "no `subject_token_field_name`");
    check(federated(Value::Null), "no `credential_source`");
    let person = json!({"type": "external_account_authorized_user", "refresh_token": "s3cret"});
    check(person, "no `client_secret`");
    check(json!({"type": "authorized_user", "client_id": "a"}), "no `client_secret`");
    let bad = json!({"type": "service_account", "client_email": "a", "private_key": "s3cret"});
    check(bad, "RSA key in PEM");
    let person = |url: &str| {
        json!({"type": "authorized_user", "client_id": "a", "client_secret": "s3cret",
            "refresh_token": "s3cret", "token_uri": url})
    };
    check(person("http://example.com/token"), "neither an https URL");
    assert!(GoogleKey::parse(&person("https://example.com/token").to_string()).is_ok());
    assert_eq!(GoogleKey::parse("s3cret"), Err(GoogleKeyError::NotJson));
    let entra = |tenant: &str, authority: Option<&str>| {
        EntraKey::new(tenant, "a".to_owned(), Secret::new("s".to_owned()), authority)
    };
    assert!(entra("a/b", None).is_err() && entra("", None).is_err());
    assert!(entra("contoso.onmicrosoft.com", None).is_ok());
    assert!(entra("a", Some("http://example.com")).is_err());
}

#[tokio::test]
async fn a_machine_gets_its_clouds_token_where_that_is_configured() {
    let token = json!({"access_token": "machine", "expires_in": "3599"});
    let server = TokenServer::start(vec![(200, token)]).await;
    let host = server.addr.to_string();
    let origin = format!("http://{host}");
    let proof = || Secret::new("app-proof".to_owned());
    let google = MachineIdentity::google(Some(&host)).unwrap();
    let azure = MachineIdentity::azure(Some("1f0e-a"), Some(&origin)).unwrap();
    let app = MachineIdentity::app_service(None, &format!("{origin}/msi/token"), proof()).unwrap();
    let check = async |machine: MachineIdentity, header: &str, value: &str| {
        let before = server.asked().len();
        let signer = Signer::new(Signing::Machine(machine));
        let mut parts = request("POST", "https://lab.openai.azure.com/openai/v1/chat/completions");
        signed(&signer, &mut parts).await.unwrap();
        signed(&signer, &mut parts).await.unwrap();
        assert_eq!(authorization(&parts), "Bearer machine");
        let asked = server.asked();
        assert_eq!(asked.len(), before + 1, "the token is kept");
        let (headers, body) = asked.last().unwrap();
        assert_eq!((headers[header].to_str().unwrap(), body.as_str()), (value, ""));
    };
    check(google, "metadata-flavor", "Google").await;
    check(azure, "metadata", "true").await;
    check(app, "x-identity-header", "app-proof").await;
    let paths = server.paths();
    assert_eq!(paths[0], "/computeMetadata/v1/instance/service-accounts/default/token");
    let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com%2F";
    let expected = "/metadata/identity/oauth2/token?api-version=2018-02-01";
    assert_eq!(paths[1], format!("{expected}&{resource}&client_id=1f0e-a"));
    assert_eq!(paths[2], format!("/msi/token?api-version=2019-08-01&{resource}"));

    for endpoint in ["http://example.com/msi", "ftp://127.0.0.1", "nothing"] {
        let refused = MachineIdentity::app_service(None, endpoint, proof()).unwrap_err();
        assert!(!refused.contains("app-proof"), "{refused}");
    }
    assert!(MachineIdentity::azure(Some("a&b"), None).is_err());
    assert!(
        !format!("{:?}", MachineIdentity::app_service(None, &origin, proof())).contains("proof\"")
    );
}

#[tokio::test]
async fn a_person_gets_the_token_of_a_service_account_that_it_may_act_as() {
    let own = json!({"access_token": "own", "expires_in": 3599});
    let until = jiff::Timestamp::from_second(NOW.0 / 1_000 + 3_600).unwrap().to_string();
    let accounts = json!({"accessToken": "account", "expireTime": until});
    let refused = json!({"error": {"code": 403, "message": "may not act as it"}});
    let server =
        TokenServer::start(vec![(200, own.clone()), (200, accounts), (200, own), (403, refused)])
            .await;
    let origin = format!("http://{}", server.addr);
    let key = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": format!("{origin}/v1/robot:generateAccessToken"),
        "delegates": ["middle"],
        "source_credentials": {
            "type": "authorized_user", "client_id": "c", "client_secret": "s",
            "refresh_token": "r", "token_uri": format!("{origin}/token"),
        },
    });
    let signer = || Signer::new(Signing::Google(GoogleKey::parse(&key.to_string()).unwrap()));
    let kept = signer();
    let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
    signed(&kept, &mut parts).await.unwrap();
    signed(&kept, &mut parts).await.unwrap();
    assert_eq!(authorization(&parts), "Bearer account");
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "both tokens are asked for once");
    assert_eq!(asked[1].0["authorization"], "Bearer own");
    let sent: Value = serde_json::from_str(&asked[1].1).unwrap();
    assert_eq!(sent["scope"], json!(["https://www.googleapis.com/auth/cloud-platform"]));
    assert_eq!((&sent["lifetime"], &sent["delegates"]), (&json!("3600s"), &json!(["middle"])));
    assert_eq!(server.paths()[1], "/v1/robot:generateAccessToken");
    let why = signed(&signer(), &mut parts).await.unwrap_err();
    assert!(why.contains("HTTP 403: may not act as it"), "{why}");

    let elsewhere = key.to_string().replace(&format!("{origin}/v1"), "http://example.com/v1");
    let why = GoogleKey::parse(&elsewhere).unwrap_err().to_string();
    assert!(why.contains("service_account_impersonation_url"), "{why}");
}

/// A key for somebody whom another party vouches for.
fn federated(origin: &str, source: &Value, more: &Value) -> Signer {
    let mut key = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/pool",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{origin}/v1/token"),
        "credential_source": source,
        "quota_project_id": "payer",
    });
    for (name, value) in more.as_object().unwrap() {
        key[name] = value.clone();
    }
    Signer::new(Signing::Google(GoogleKey::parse(&key.to_string()).unwrap()))
}

const EXCHANGED: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
    &audience=%2F%2Fiam.googleapis.com%2Fpool\
    &scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform\
    &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
    &subject_token=TOKEN&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";

#[tokio::test]
async fn another_partys_token_in_a_file_is_exchanged_for_googles_each_time_anew() {
    let soon = json!({"access_token": "sts", "expires_in": 60});
    let server = TokenServer::start(vec![(200, soon)]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let source = json!({ "file": path });
    let signer = federated(&format!("http://{}", server.addr), &source, &json!({}));
    let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
    let why = signed(&signer, &mut parts).await.unwrap_err();
    assert!(why.contains("read `/") && why.contains("No such file"), "{why}");
    for token in ["first.jwt", "second.jwt"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        signed(&signer, &mut parts).await.unwrap();
        assert_eq!(authorization(&parts), "Bearer sts");
        assert_eq!(parts.headers["x-goog-user-project"], "payer");
        let (headers, form) = server.asked().pop().unwrap();
        assert_eq!(form, EXCHANGED.replace("TOKEN", token));
        assert!(!headers.contains_key("authorization"));
    }
    std::fs::write(&path, " \n").unwrap();
    let empty = federated(&format!("http://{}", server.addr), &source, &json!({}));
    let why = signed(&empty, &mut parts).await.unwrap_err();
    assert!(why.ends_with("there is none"), "{why}");
}

#[tokio::test]
async fn another_partys_token_at_a_url_leads_to_the_service_account_that_may_be_acted_as() {
    let until = jiff::Timestamp::from_second(NOW.0 / 1_000 + 3_600).unwrap().to_string();
    let answers = vec![
        (200, json!({"data": "x", "id_token": "their.jwt"})),
        (200, json!({"access_token": "sts", "expires_in": 3_600})),
        (200, json!({"accessToken": "account", "expireTime": until})),
        (403, json!({"error": "no"})),
    ];
    let server = TokenServer::start(answers).await;
    let origin = format!("http://{}", server.addr);
    let source = json!({
        "url": format!("{origin}/metadata?resource=r"), "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "id_token"},
    });
    let more = json!({
        "client_id": "c", "client_secret": "s",
        "service_account_impersonation_url": format!("{origin}/v1/robot:generateAccessToken"),
        "service_account_impersonation_options": {"token_lifetime_seconds": 1_800},
    });
    let signer = || federated(&origin, &source, &more);
    let kept = signer();
    let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
    signed(&kept, &mut parts).await.unwrap();
    signed(&kept, &mut parts).await.unwrap();
    assert_eq!(authorization(&parts), "Bearer account");
    let asked = server.asked();
    assert_eq!(server.paths().len(), 3, "each token is asked for once");
    assert_eq!(server.paths()[0], "/metadata?resource=r");
    assert_eq!(asked[0].0["metadata"], "True");
    assert_eq!(asked[1].0["authorization"], "Basic Yzpz");
    assert_eq!(asked[1].1, EXCHANGED.replace("TOKEN", "their.jwt"));
    assert_eq!(asked[2].0["authorization"], "Bearer sts");
    let sent: Value = serde_json::from_str(&asked[2].1).unwrap();
    assert_eq!(sent["lifetime"], "1800s");
    let why = signed(&signer(), &mut parts).await.unwrap_err();
    assert_eq!(why, "get a token from `127.0.0.1`: HTTP 403");
}

#[tokio::test]
async fn a_person_of_a_workforce_is_named_by_its_login_or_by_who_pays() {
    let token = json!({"access_token": "sts", "expires_in": 3_600});
    let server = TokenServer::start(vec![(200, token)]).await;
    let origin = format!("http://{}", server.addr);
    let key = json!({"type": "external_account_authorized_user", "client_id": "c",
        "client_secret": "s", "refresh_token": "r&r", "token_url": format!("{origin}/v1/oauthtoken"),
        "quota_project_id": "payer"});
    let signer = Signer::new(Signing::Google(GoogleKey::parse(&key.to_string()).unwrap()));
    let mut parts = request("POST", "https://aiplatform.googleapis.com/v1/x");
    signed(&signer, &mut parts).await.unwrap();
    assert_eq!(authorization(&parts), "Bearer sts");
    assert_eq!(parts.headers["x-goog-user-project"], "payer");
    let (headers, form) = server.asked().remove(0);
    assert_eq!(headers["authorization"], "Basic Yzpz");
    assert_eq!(form, "grant_type=refresh_token&refresh_token=r%26r");
    assert_eq!(server.paths()[0], "/v1/oauthtoken");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "t").unwrap();
    let pays = json!({"workforce_pool_user_project": "p-1"});
    let signer = federated(&origin, &json!({ "file": path }), &pays);
    signed(&signer, &mut parts).await.unwrap();
    let (_, form) = server.asked().pop().unwrap();
    assert!(form.ends_with("&options=%7B%22userProject%22%3A%22p-1%22%7D"), "{form}");
}

/// A program in the place of `az` that notes how it was called.
fn az(folder: &std::path::Path, does: &str) -> AzureCli {
    use std::os::unix::fs::PermissionsExt as _;
    let program = folder.join("az");
    let script = format!("#!/bin/sh\necho \"$PWD $*\" >> {}/called\n{does}\n", folder.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    AzureCli::new(program, Some("contoso.onmicrosoft.com".to_owned())).unwrap()
}

#[tokio::test]
async fn the_azure_cli_is_run_once_for_a_token_that_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let ends_s = NOW.0 / 1_000 + 3_600;
    let told = format!(r#"echo '{{"accessToken":"eyJ.az","expires_on":{ends_s},"tenant":"t"}}'"#);
    let signer = Signer::new(Signing::AzureCli(az(folder.path(), &told)));
    assert!(!signer.reads_body());
    let mut parts = request("POST", "https://lab.openai.azure.com/openai/v1/chat/completions");
    for _ in 0..3 {
        signed(&signer, &mut parts).await.unwrap();
        assert_eq!(authorization(&parts), "Bearer eyJ.az");
    }
    let called = std::fs::read_to_string(folder.path().join("called")).unwrap();
    assert_eq!(
        called,
        "/ account get-access-token --output json --resource \
         https://cognitiveservices.azure.com --tenant contoso.onmicrosoft.com\n"
    );
}

#[tokio::test]
async fn an_azure_cli_that_gives_no_token_says_why_and_shows_none() {
    let folder = tempfile::tempdir().unwrap();
    let why = async |does: &str| {
        let signer = Signer::new(Signing::AzureCli(az(folder.path(), does)));
        let mut parts = request("POST", "https://lab.openai.azure.com/openai/v1");
        signed(&signer, &mut parts).await.unwrap_err()
    };
    let refused = why("echo \"Please run 'az login' to setup account.\" >&2; exit 1").await;
    assert_eq!(refused, "get a token from the Azure CLI: Please run 'az login' to setup account.");
    let other = why("echo '{\"secret\":\"s3cret\"}'").await;
    assert!(other.ends_with("no `access_token`") && !other.contains("s3cret"), "{other}");
    let none = AzureCli::new(folder.path().join("none"), None).unwrap();
    let mut parts = request("POST", "https://lab.openai.azure.com/openai/v1");
    let none = signed(&Signer::new(Signing::AzureCli(none)), &mut parts).await.unwrap_err();
    assert!(none.contains("No such file"), "{none}");
    for tenant in ["", "--debug", "a b"] {
        assert!(AzureCli::new("az".into(), Some(tenant.to_owned())).is_err(), "{tenant}");
    }
}

#[tokio::test]
async fn an_apps_token_is_kept_until_the_time_that_it_tells() {
    let at = |seconds: i64| json!({"access_token": "t", "expires_on": (NOW.0 / 1_000 + seconds).to_string()});
    let server = TokenServer::start(vec![(200, at(60)), (200, at(3_600))]).await;
    let endpoint = format!("http://{}/msi", server.addr);
    let proof = Secret::new("p".to_owned());
    let machine = MachineIdentity::app_service(None, &endpoint, proof).unwrap();
    let signer = Signer::new(Signing::Machine(machine));
    for _ in 0..3 {
        signed(&signer, &mut request("POST", "https://h/v1")).await.unwrap();
    }
    assert_eq!(server.asked().len(), 2, "one that ends within minutes is renewed");
}

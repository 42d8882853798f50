//! Providers that are reached through a proxy, as the environment says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{Request, header};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tollgate_core::call::{ErrorCode, Outcome};
use tollgate_gateway::{GatewayConfig, Proxies};
use tollgate_simulator::CallLog;

use super::{
    cases::ASKS,
    harness::{Door, ask, simulator, snapshot},
    tls::provider,
};

/// A proxy on a free port that leads every connection to one server, whatever host was asked for.
struct Proxy {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Proxy {
    /// `answer` is what `CONNECT` is answered with.
    async fn start(leads_to: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                tokio::spawn(async move { lead(client, leads_to, answer, &seen).await });
            }
        });
        Self { addr, heads }
    }

    /// The heads of requests to the proxy itself, line by line.
    fn heads(&self) -> Vec<Vec<String>> {
        self.heads.lock().unwrap().clone()
    }

    fn at(&self, variable: &'static str, user: &str) -> impl FnOnce(&mut GatewayConfig) {
        let url = format!("http://{user}{}", self.addr);
        move |config| {
            config.proxies = Proxies::from_env(|it| (it == variable).then(|| url.clone()));
        }
    }
}

async fn lead(
    client: TcpStream,
    leads_to: SocketAddr,
    answer: &'static str,
    seen: &Mutex<Vec<Vec<String>>>,
) {
    let mut client = BufReader::new(client);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let asks_for_tunnel = head[0].starts_with("CONNECT ");
    seen.lock().unwrap().push(head.clone());
    let mut server = TcpStream::connect(leads_to).await.unwrap();
    if asks_for_tunnel {
        client.write_all(answer.as_bytes()).await.unwrap();
        if !answer.contains(" 200 ") {
            return;
        }
    } else {
        server.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes()).await.unwrap();
    }
    // Ends when either side does.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

fn addr_of(origin: &str) -> SocketAddr {
    let port = origin.rsplit(':').next().unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

#[tokio::test]
async fn calls_to_a_provider_go_through_a_tunnel_that_sees_no_key() {
    let log = CallLog::new();
    let (origin, certificate) = provider(log.clone(), &[b"http/1.1"]).await;
    let proxy = Proxy::start(addr_of(&origin), ESTABLISHED).await;
    let through = proxy.at("HTTPS_PROXY", "me:proxy-secret@");
    let door = Door::open_with(snapshot("https://provider.test"), |config| {
        config.extra_roots = vec![certificate];
        through(config);
    })
    .await;
    for case in ASKS {
        let got = ask(door.addr, case.request()).await;
        let sent = log.calls().pop().unwrap();
        assert_eq!(sent.request, case.body, "{}", case.name);
        assert_eq!(got.body, sent.response, "{}", case.name);
    }
    let calls = door.seen.calls(ASKS.len()).await;
    assert!(calls.iter().all(|it| it.outcome == Outcome::Finished));
    for head in proxy.heads() {
        assert_eq!(head[0], "CONNECT provider.test:443 HTTP/1.1");
        // `me:proxy-secret` in base64.
        assert!(head.iter().any(|it| it == "Proxy-Authorization: Basic bWU6cHJveHktc2VjcmV0"));
        assert_eq!(head.len(), 3, "{head:?}");
    }
    assert!(!proxy.heads().is_empty());
    let told = log.calls().pop().unwrap();
    assert!(!told.headers.iter().any(|(name, _)| name.as_str().starts_with("proxy-")));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    let (origin, certificate) = provider(CallLog::new(), &[b"http/1.1"]).await;
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    let proxy = Proxy::start(addr_of(&origin), refusal).await;
    let through = proxy.at("ALL_PROXY", "me:proxy-secret@");
    let door = Door::open_with(snapshot("https://provider.test"), |config| {
        config.extra_roots = vec![certificate];
        through(config);
    })
    .await;
    let got = ask(door.addr, ASKS[0].request()).await;
    assert_eq!(got.status, 502, "{}", got.text());
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!(call.error_code, Some(ErrorCode::ProviderUnreachable));
    let message = call.error_message.clone().unwrap();
    assert!(message.contains(&format!("the proxy `{}`", proxy.addr)), "{message}");
    assert!(message.contains("authorization required"), "{message}");
    assert!(!message.contains("proxy-secret") && !got.text().contains("proxy-secret"));
}

#[tokio::test]
async fn a_plain_request_is_forwarded_whole_and_this_machine_is_called_directly() {
    let plain = simulator().await;
    let proxy = Proxy::start(plain.addr(), ESTABLISHED).await;
    let through = proxy.at("HTTP_PROXY", "me:proxy-secret@");
    let door = Door::open_with(snapshot("http://provider.test"), through).await;
    let got = ask(door.addr, ASKS[0].request()).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let head = proxy.heads().remove(0);
    assert!(head[0].starts_with("POST http://provider.test/v1/"), "{}", head[0]);
    let auth = "proxy-authorization: Basic bWU6cHJveHktc2VjcmV0";
    assert!(head.iter().any(|it| it.eq_ignore_ascii_case(auth)), "{head:?}");

    let through = proxy.at("ALL_PROXY", "");
    let door = Door::open_with(snapshot(&plain.base_url()), through).await;
    assert_eq!(ask(door.addr, ASKS[0].request()).await.status, 200);
    let list = Request::get("/v1/models").header(header::AUTHORIZATION, "Bearer x");
    assert_eq!(ask(door.addr, list.body("".into()).unwrap()).await.status, 200);
    assert_eq!(proxy.heads().len(), 1, "nothing but the first call went through it");
}

/// RFC 1928, as far as a client without a name needs it.
async fn socks(listener: TcpListener, leads_to: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let asked = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut hello = [0; 2];
            client.read_exact(&mut hello).await.unwrap();
            let mut methods = vec![0; usize::from(hello[1])];
            client.read_exact(&mut methods).await.unwrap();
            client.write_all(&[5, 0]).await.unwrap();
            let mut request = [0; 5];
            client.read_exact(&mut request).await.unwrap();
            assert_eq!(request[..4], [5, 1, 0, 3], "connect to a name");
            let mut name = vec![0; usize::from(request[4]) + 2];
            client.read_exact(&mut name).await.unwrap();
            let port = name.split_off(name.len() - 2);
            let port = u16::from_be_bytes([port[0], port[1]]);
            asked.lock().unwrap().push(format!("{}:{port}", String::from_utf8(name).unwrap()));
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            let mut server = TcpStream::connect(leads_to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_providers_name() {
    let (origin, certificate) = provider(CallLog::new(), &[b"http/1.1"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("socks5h://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    tokio::spawn(socks(listener, addr_of(&origin), Arc::clone(&asked)));
    let door = Door::open_with(snapshot("https://provider.test"), |config| {
        config.extra_roots = vec![certificate];
        config.proxies = Proxies::from_env(|it| (it == "ALL_PROXY").then(|| url.clone()));
    })
    .await;
    assert_eq!(ask(door.addr, ASKS[0].request()).await.status, 200);
    assert_eq!(*asked.lock().unwrap(), ["provider.test:443"]);
}

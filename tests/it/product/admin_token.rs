//! The admin token is replaced while pages are open.

use http_body_util::BodyExt as _;
use tollgate_tests::{Connection, Home, PATIENCE, Product, send};

use super::using::{admin, simulator};

async fn status_with(product: &Product, token: &str) -> u16 {
    send(product.listen, admin("/api/status", token)).await.status().as_u16()
}

#[tokio::test]
async fn a_replaced_token_opens_nothing_and_ends_the_pages_that_it_opened() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let former = product.token();
    let mut page = Connection::open(product.listen).await;
    let mut stream = page.begin(admin("/api/events", &former)).await.into_body();

    let rotated = product.run(&["console", "--new-token"]).await;
    let token = product.token();
    assert_ne!(token, former);
    assert_eq!(rotated.expect(), format!("{}/#token={token}\n", product.base_url()));
    let ended = async { while let Some(Ok(_)) = stream.frame().await {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the page's stream to end");
    assert_eq!(status_with(&product, &former).await, 401);
    assert_eq!(status_with(&product, &token).await, 200);
    assert_eq!(product.run(&["console"]).await.expect(), rotated.stdout());
    // It is in no log, and the former one only where the start told it.
    let home = std::sync::Arc::clone(product.home());
    let said = product.stop().await;
    assert!(!said.contains(&token), "{said}");

    let product = home.serve().await;
    assert_eq!(product.token(), token, "it stays over a restart");
    assert_eq!(status_with(&product, &token).await, 200);
    product.stop().await;

    let forgotten = home.run(&["console", "--new-token"]).await;
    assert!(forgotten.stderr().contains("No gateway runs"), "{}", forgotten.shown());
    let product = home.serve().await;
    assert_ne!(product.token(), token);
    assert_eq!(status_with(&product, &token).await, 401);
    product.stop().await;
}

#[tokio::test]
async fn a_page_replaces_its_own_token_and_a_stranger_does_not() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let former = product.token();
    let rotate = |token: &str| {
        let mut request = admin("/api/console/rotate", token);
        *request.method_mut() = http::Method::POST;
        request
    };
    assert_eq!(send(product.listen, rotate("guessed")).await.status(), 401);
    assert_eq!(product.token(), former);
    let mut foreign = rotate(&former);
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(send(product.listen, foreign).await.status(), 403);
    assert_eq!(product.token(), former);
    let answer = send(product.listen, rotate(&former)).await;
    let told: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    let address = format!("{}/#token={}", product.base_url(), product.token());
    assert_eq!(told["address"], address);
    assert_eq!(status_with(&product, &former).await, 401);
    product.stop().await;
}

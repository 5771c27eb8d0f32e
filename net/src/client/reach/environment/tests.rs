use super::*;

/// What variables say, written `NAME=value` each, about a URL; the proxy as `Debug` shows it.
fn towards(variables: &[&str], url: &str) -> String {
    let variable = |name: &str| {
        let pairs = variables.iter().filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_owned())
    };
    match Environment::read(variable).towards(&url.parse().unwrap()) {
        Ok(Some(server)) => format!("{server:?}"),
        Ok(None) => "direct".into(),
        Err((variable, error)) => format!("{variable}: {error}"),
    }
}

#[test]
fn variables_by_scheme_and_case() {
    let (ws, wss) = ("ws://example.com/", "wss://example.com/");
    let cases: [(&[&str], &str, &str); 19] = [
        (&[], ws, "direct"),
        (&["http_proxy=http://p:3128"], ws, "Http p:3128"),
        (&["http_proxy=http://p:3128"], wss, "direct"),
        (&["https_proxy=http://p:3128"], wss, "Http p:3128"),
        (&["https_proxy=http://p:3128"], ws, "direct"),
        (&["HTTP_PROXY=p:3128"], ws, "Http p:3128"),
        (&["HTTPS_PROXY=p:3128"], wss, "Http p:3128"),
        (&["http_proxy=a:1", "HTTP_PROXY=b:2", "ALL_PROXY=c:3"], ws, "Http a:1"),
        (&["HTTP_PROXY=b:2", "all_proxy=c:3"], ws, "Http b:2"),
        (&["http_proxy=a:1", "all_proxy=c:3"], wss, "Http c:3"),
        (&["ALL_PROXY=socks5h://u:p@s"], wss, "Socks5h ***@s:1080"),
        (&["all_proxy=socks5://s:9"], ws, "Socks5 s:9"),
        // A header `Proxy` of whoever asks a CGI program becomes HTTP_PROXY.
        (&["HTTP_PROXY=b:2", "REQUEST_METHOD=GET"], ws, "direct"),
        (&["HTTP_PROXY=b:2", "REQUEST_METHOD="], ws, "direct"),
        (&["http_proxy=a:1", "REQUEST_METHOD=GET"], ws, "Http a:1"),
        (&["HTTP_PROXY=b:2", "REQUEST_METHOD=GET", "all_proxy=c:3"], ws, "Http c:3"),
        // Empty is as good as not set.
        (&["http_proxy=", "HTTP_PROXY= ", "ALL_PROXY=c"], ws, "Http c:80"),
        (&["http_proxy=[2001:db8::1]:3128"], ws, "Http 2001:db8::1:3128"),
        (
            &["https_proxy=https://user:canary@p:443"],
            wss,
            "https_proxy: proxy is neither `http://`, `socks5://` nor `socks5h://`, or not the one \
             asked for",
        ),
    ];
    for (variables, url, expected) in cases {
        assert_eq!(towards(variables, url), expected, "{variables:?} {url}");
    }
}

#[test]
fn exceptions() {
    let cases = [
        ("example.com", "ws://example.com/", true),
        ("EXAMPLE.com.", "ws://example.com/", true),
        ("example.com", "ws://feed.example.com/", true),
        ("example.com", "ws://notexample.com/", false),
        ("example.com", "ws://example.com.evil/", false),
        (".example.com", "ws://feed.example.com/", true),
        (".example.com", "ws://example.com/", false),
        ("*.example.com", "ws://a.feed.example.com./", true),
        ("*.example.com", "ws://example.com/", false),
        ("*", "ws://example.com/", true),
        ("*:81", "ws://example.com/", false),
        ("a.test, ,b.test c.test", "ws://c.test/", true),
        ("example.com:80", "ws://example.com/", true),
        ("example.com:80", "wss://example.com/", false),
        ("example.com:8080", "ws://example.com:8080/", true),
        ("example.com:8080", "ws://example.com/", false),
        ("192.0.2.1", "ws://192.0.2.1/", true),
        ("192.0.2.1", "ws://[::ffff:192.0.2.1]/", true),
        ("192.0.2.1:81", "ws://192.0.2.1/", false),
        ("192.0.2.0/24", "ws://192.0.2.200/", true),
        ("192.0.2.0/24", "ws://192.0.3.1/", false),
        ("192.0.2.0/24", "ws://example.com/", false),
        ("2001:db8::1", "ws://[2001:db8::1]/", true),
        ("[2001:db8::1]", "ws://[2001:db8::1]/", true),
        ("[2001:db8::1]:80", "ws://[2001:db8::1]/", true),
        ("[2001:db8::1]:81", "ws://[2001:db8::1]/", false),
        ("2001:db8::/32", "ws://[2001:db8:1::1]/", true),
        (".1", "ws://192.0.2.1/", false),
        // What names nobody is not everybody.
        ("", "ws://example.com/", false),
        (".", "ws://example.com/", false),
        ("*.", "ws://example.com/", false),
        (":80", "ws://example.com/", false),
        ("192.0.2.0/24:80", "ws://192.0.2.1/", true),
        ("192.0.2.0/24:80", "ws://192.0.2.1:81/", false),
    ];
    for (list, url, expected) in cases {
        assert_eq!(Bypass::parse(list).has(&url.parse().unwrap()), expected, "{list:?} {url}");
        for name in ["no_proxy", "NO_PROXY"] {
            let variables = ["all_proxy=p:1", &format!("{name}={list}")].map(str::to_owned);
            let way = towards(&variables.each_ref().map(String::as_str), url);
            assert_eq!(way == "direct", expected, "{variables:?} {url}");
        }
    }
}

/// A loop through a proxy that cannot reach this machine's own loopback helps nobody.
#[test]
fn loopback_is_reached_directly() {
    for host in
        ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
    {
        assert_eq!(towards(&["all_proxy=p:1"], &format!("ws://{host}/")), "direct", "{host}");
    }
}

#[test]
fn urls_of_proxies() {
    let cases = [
        ("proxy", Ok("Http proxy:80")),
        ("HTTP://Proxy.test/", Ok("Http proxy.test:80")),
        ("http://user:canary@p:8080", Ok("Http ***@p:8080")),
        ("socks5://canary@p", Err(ProxyUrlError::Login)),
        ("socks5://u:canary@p", Ok("Socks5 ***@p:1080")),
        ("socks5h://p:80", Ok("Socks5h p:80")),
        ("socks5h://p:443", Ok("Socks5h p:443")),
        ("socks4://p", Err(ProxyUrlError::Scheme)),
        ("http://p/path", Err(ProxyUrlError::Path)),
        ("http://p/?canary", Err(ProxyUrlError::Path)),
        ("http://a%3Ab:c@p", Err(ProxyUrlError::Login)),
        ("http://a:canary%0D%0A@p", Err(ProxyUrlError::Login)),
        ("http://a:canary%FF@p", Err(ProxyUrlError::Login)),
    ];
    for (url, expected) in cases {
        let parsed = ProxyServer::parse(url).map(|server| format!("{server:?}"));
        assert_eq!(parsed.as_deref().map_err(|error| *error), expected, "{url}");
    }
    for url in ["", "http://", "http://p:0", "http://p:x", "http://a b", "http://u:p@ss@p"] {
        let error = ProxyServer::parse(url).unwrap_err();
        assert!(matches!(error, ProxyUrlError::Url(_)), "{url:?}: {error:?}");
    }
    let long = format!("socks5://u:{}@p", "x".repeat(256));
    assert_eq!(ProxyServer::parse(&long).unwrap_err(), ProxyUrlError::Login);
}

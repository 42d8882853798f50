//! Requests in every format, plain and streaming.

use bytes::Bytes;
use http::Request;

use super::harness::post;

/// One way of asking for text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) body: &'static str,
    pub(crate) streams: bool,
}

impl Ask {
    pub(crate) fn request(self) -> Request<Bytes> {
        post(self.path, self.body)
    }
}

/// Every format, plain and streaming. Bodies have odd spacing, unknown members, escapes and
/// characters of several bytes, none of which may change on the way.
pub(crate) const ASKS: [Ask; 10] = [
    Ask {
        name: "chat",
        path: "/v1/chat/completions?api-version=1&x=%2F",
        body: "{ \"model\":\"gpt-5-mini\",\n\t\"messages\":[{\"role\":\"user\",\"content\":\"Grüße, \\u4e16界 🙂\"}], \"unknown\" : [1.50, 1e3] }\n",
        streams: false,
    },
    Ask {
        name: "chat stream that asks for usage",
        path: "/v1/chat/completions",
        body: "{\"stream\":true, \"stream_options\":{\"include_usage\":true},\"model\":\"gpt-5-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"Erzähl von der Straße 🙂\"}]}",
        streams: true,
    },
    Ask {
        name: "responses",
        path: "/v1/responses",
        body: "{\"model\":\"gpt-5\",\"input\":\"Größe?\" ,\"x\":null}",
        streams: false,
    },
    Ask {
        name: "responses stream",
        path: "/v1/responses",
        body: "{\"model\":\"gpt-5\",\"input\":\"Größe?\",\"stream\" : true}",
        streams: true,
    },
    Ask {
        name: "messages",
        path: "/v1/messages?beta=true",
        body: "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":500,\"messages\":[{\"role\":\"user\",\"content\":\"Wie spät? 🕰\"}]}",
        streams: false,
    },
    Ask {
        name: "messages stream",
        path: "/v1/messages",
        body: "{\"stream\":true,\"model\":\"claude-sonnet-4-5\",\"max_tokens\":500,\"messages\":[{\"role\":\"user\",\"content\":\"Wie spät? 🕰\"}]}",
        streams: true,
    },
    Ask {
        name: "gemini",
        path: "/v1/models/gemini-2.5-flash:generateContent",
        body: "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Öl 🛢\"}]}]}",
        streams: false,
    },
    Ask {
        name: "gemini stream",
        path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        body: "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Öl 🛢\"}]}]}",
        streams: true,
    },
    Ask {
        name: "embeddings",
        path: "/v1/embeddings",
        body: "{\"model\":\"text-embedding-3-small\",\"input\":\"Öl\"}",
        streams: false,
    },
    Ask {
        name: "groq by its own path",
        path: "/p/groq/openai/v1/chat/completions",
        body: "{\"model\":\"llama-3.3-70b-versatile\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        streams: false,
    },
];

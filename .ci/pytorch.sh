#!/bin/sh
# Installs PyTorch for the processor into a virtual environment of its own, for the tests of the Python sender. PyPI's wheel for Linux
# is linked against CUDA, whose packages are gigabytes: only CUDA's small runtime is installed, and the other libraries are replaced by
# ones whose functions all report an error. None is called where there is no GPU. Nothing here is for production.
#   .ci/pytorch.sh [folder]   prints the path of its Python on the last line; fails, saying why, where it cannot be had
set -eu
root="${1:-${GAINWATCH_CI_CACHE:-$HOME/.cache/gainwatch-ci}/torch-venv}"
torch="${GAINWATCH_TORCH_VERSION:-2.15.0}"
transformers=5.24.0
python="$root/bin/python"
# Versions of lucidrains/hyper-connections that the tests run against: HC alone, the first with mHC (both pass the streams on unmixed), the
# first that mixes them in both, the newest.
versions="0.1.15 0.3.0 0.3.12 0.4.11"

skip() { echo "PyTorch is not installed: $1. The tests of the Python sender are SKIPPED"; exit 1; }
command -v python3 >/dev/null || skip "there is no python3"

if ! "$python" -c 'import torch, numpy, safetensors, einops' 2>/dev/null; then
  command -v g++ >/dev/null && command -v nm >/dev/null || skip "g++ and binutils are needed"
  mkdir -p "$root"
  python3 -m venv "$root" || skip "python3 -m venv fails (Debian: python3-venv)"
  pip() { "$python" -m pip install -q --disable-pip-version-check "$@"; }
  echo "installing: torch $torch (0.5 GB, without CUDA's libraries), numpy, safetensors, einops into $root"
  pip --no-deps "torch==$torch" "nvidia-cuda-runtime==13.*" || skip "PyPI has no torch $torch for this machine, or does not answer"
  pip --no-warn-conflicts numpy safetensors 'einops>=0.8.1' filelock 'typing-extensions>=4.13' 'setuptools>=77.0.3' 'sympy>=1.13.3' networkx jinja2 fsspec || skip "PyPI does not answer"
  pip --no-deps 'torch-einops-utils>=0.0.20' || skip "PyPI does not answer"
  "$python" - <<'PYTHON'
import glob, os, pathlib, re, subprocess, sysconfig

site = pathlib.Path(sysconfig.get_path("purelib"))
lib = site / "torch" / "lib"
libraries = sorted(map(str, lib.glob("*.so"))) + glob.glob(str(site / "torch" / "_C*.so"))


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(which, files):
    """Symbol -> its version ("" without one)."""
    lines = run("nm", "-D", "--with-symbol-versions", which, *files).splitlines()
    found = (re.split("@+", line.split()[-1]) for line in lines if re.match(r"^[0-9a-f ]{16,} [A-Za-z] ", line))
    return {name: (rest or [""])[0] for name, *rest in found}


needed = {name for file in libraries for name in re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", file))}
cache = dict(re.findall(r"^\s+(\S+) \(.*\) => (\S+)$", run("/sbin/ldconfig", "-p"), re.M))
runtime = [path for path in site.glob("nvidia/**/libcudart.so.*")]
for path in runtime:  # torch looks for it in its own folder, too
    link = lib / path.name
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(path, lib))
system = [cache[name] for name in needed if name in cache and not name.startswith(("libcu", "libnv", "libnccl"))]
missing = sorted(name for name in needed if not (lib / name).exists() and cache.get(name) not in system)
known = symbols("--defined-only", libraries + system + list(map(str, runtime)))
wanted = {s: v for s, v in symbols("--undefined-only", libraries).items() if s not in known and re.match(r"^(cu|nv|nccl|_?_?nv|CU)", s)}
versions = {}  # library -> the versions that are asked of it
for file in libraries:
    for line in run("readelf", "-VW", file).splitlines():
        if match := re.search(r"Version: 1  File: (\S+)", line):
            library = match[1]
        elif match := re.search(r"  Name: (\S+)  Flags", line):
            versions.setdefault(library, set()).add(match[1])
for name in missing:
    asked = versions.get(name, set())
    mine = [s for s, v in wanted.items() if v in asked or v == ""]
    source, script = lib / "nocuda.c", lib / "nocuda.map"
    source.write_text("".join(f"int {s}() {{ return 999; }}\n" for s in mine))  # 999: cudaErrorUnknown
    nodes = ("%s { global: %s };\n" % (v, "".join(f"{s};" for s in mine if wanted[s] == v)) for v in sorted(asked))
    script.write_text("".join(nodes))
    run("gcc", "-w", "-shared", "-fPIC", "-fno-builtin", f"-Wl,-soname,{name}", *([f"-Wl,--version-script={script}"] if asked else []), "-o", str(lib / name), str(source))
print(f"replaced: {' '.join(missing)} ({len(wanted)} functions)")
PYTHON
  "$python" -c 'import torch; x = torch.ones(2, requires_grad=True); (x @ x).backward(); assert not torch.cuda.is_available()' || skip "torch $torch does not start without CUDA"
fi

for version in $versions; do
  folder="$root/hyper-connections/$version"
  if [ ! -d "$folder/hyper_connections" ]; then
    echo "installing: hyper-connections $version into $folder"
    "$python" -m pip install -q --disable-pip-version-check --no-deps --target "$folder" "hyper-connections==$version" || skip "PyPI does not answer"
  fi
done
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("transformers") is None)'; then
  echo "installing: transformers $transformers"
  "$python" -m pip install -q --disable-pip-version-check --no-warn-conflicts "transformers==$transformers" || skip "PyPI does not answer"
fi
"$python" -c 'import torch; print(f"PyTorch {torch.__version__}")'
echo "$python"

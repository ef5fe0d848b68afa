#!/bin/sh
# Installs PyTorch for the processor into a virtual environment of its own, for the tests of the Python sender. PyPI's wheel for Linux
# is linked against CUDA, whose packages are gigabytes: only CUDA's small runtime is installed, and the other libraries are replaced by
# ones whose functions all report an error. None is called where there is no GPU. Nothing here is for production.
#   .ci/pytorch.sh [folder]   prints the path of its Python on the last line; fails, saying why, where it cannot be had
# The oldest that the package takes, by hand: GAINWATCH_TORCH_VERSION=2.1.2 GAINWATCH_BASE_PYTHON=python3.9 .ci/pytorch.sh FOLDER
set -eu
root="${1:-${GAINWATCH_CI_CACHE:-$HOME/.cache/gainwatch-ci}/torch-venv}"
torch="${GAINWATCH_TORCH_VERSION:-2.15.0}"
base="${GAINWATCH_BASE_PYTHON:-python3}"
python="$root/bin/python"
case "$torch" in
  2.[0-8].*) # built against NumPy 1; no transformers with our models runs on it; the oldest of what the package needs
    cuda="nvidia-cuda-runtime-cu12" numpy="numpy<2"
    packages="urllib3==1.26.0 safetensors==0.4.4 hypothesis" ;;
  *)
    cuda="nvidia-cuda-runtime==13.*" numpy="numpy"
    packages="urllib3>=1.26,<3 safetensors transformers==5.24.0 ruff==0.17.6 mypy==2.4.1 hypothesis==6.170.17" ;;
esac
# What the tests watch, each in a folder of its own. Of lucidrains: HC alone, the first with mHC (both pass the streams on unmixed), the first that
# mixes them in both, the newest. `mhc` and `mhc-pytorch` are one module's name.
lucidrains="0.1.15 0.3.0 0.3.12 0.4.11"
others="x-transformers==2.31.10 mhc==0.5.5 mhc-pytorch==0.2.3 mhc-ddim==0.2.5"

skip() { echo "PyTorch is not installed: $1. The tests of the package for PyTorch are SKIPPED"; exit 1; }
command -v "$base" >/dev/null || skip "there is no $base"
pip() { "$python" -m pip install -q --disable-pip-version-check --no-warn-conflicts "$@" || skip "PyPI does not answer, or lacks one of: $*"; }

if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
  command -v g++ >/dev/null && command -v nm >/dev/null || skip "g++ and binutils are needed"
  mkdir -p "$root"
  "$base" -m venv "$root" || skip "$base -m venv fails (Debian: python3-venv)"
  echo "installing: torch $torch (0.5 GB, without CUDA's libraries) into $root"
  pip --no-deps "torch==$torch" "$cuda"
  pip "$numpy" filelock 'typing-extensions>=4.13' 'setuptools>=77.0.3' sympy networkx jinja2 fsspec
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

# Already there, this takes a second. What asks for torch comes without what it asks for, which would be torch with CUDA.
pip 'einops>=0.8.1' einx loguru packaging $packages
pip --no-deps 'torch-einops-utils>=0.1.41'

# PACKAGE==VERSION into a folder, unless it is there. mhc-pytorch asks for Python 3.12 and runs on 3.9.
into() {
  mark="$1/$(echo "$2" | sed 's/-/_/g; s/==/-/').dist-info"
  if [ ! -d "$mark" ]; then
    echo "installing: $2 into $1"
    rm -rf "$1"
    pip --no-deps --ignore-requires-python --target "$1" "$2"
  fi
}
for version in $lucidrains; do into "$root/hyper-connections/$version" "hyper-connections==$version"; done
for package in $others; do into "$root/packages/${package%==*}" "$package"; done
"$python" -c 'import torch; print(f"PyTorch {torch.__version__}")'
echo "$python"

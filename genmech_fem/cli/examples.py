"""Examples of every command, for its help."""

from collections.abc import Mapping

EXAMPLES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("demo",): (
        "genmech demo --quick",
        "genmech demo --out runs/steel --matrix 210 0.3 --inclusion 70 0.33",
        "genmech demo --microstructure ellipses --seed 3 --out runs/ellipses",
    ),
    ("mesh",): (
        "genmech mesh micrograph.png cell.msh --periodic --smooth 1",
        "genmech mesh scan.npy scan.xdmf --width 2.5 --threshold 0.4",
        "genmech mesh micrograph.png cell.vtu --refine 2 --json",
    ),
    ("generate",): (
        "genmech generate runs/fibres --problem homogenization --sampler fibres --resolution 64 --size 1000",
        "genmech generate runs/plates --problem tension --set strain=0.05 'matrix=(2.0,0.3)' --size 200",
        "genmech generate runs/fibres --problem homogenization --resolution 64 --size 1000 --part 0/4",
        "genmech generate runs/mine --campaign mine.py:campaign --engine processes --time-limit 60",
    ),
    ("data", "info"): ("genmech data info runs/fibres", "genmech data info runs/fibres --json"),
    ("data", "check"): ("genmech data check runs/fibres", "genmech data check runs/fibres --quarantine"),
    ("data", "split"): (
        "genmech data split runs/fibres --by phase --periodic",
        "genmech data split runs/fibres --by phase --shares train=0.7 test=0.3 --seed 1",
    ),
    ("data", "export"): (
        "genmech data export runs/fibres fibres_well --to well --boundary PERIODIC",
        "genmech data export runs/fibres fibres.nc --to netcdf --names phase stiffness",
    ),
    ("data", "import"): (
        "genmech data import downloads/mechanical_mnist runs/mnist",
        "genmech data import downloads/mechanical_mnist runs/mnist_test --part test",
    ),
    ("train",): (
        "genmech train runs/fibres --input phase --output stiffness --periodic --out trained",
        "genmech train runs/plates:train --test runs/plates:test --input phase --output displacement --out trained",
        "genmech train runs/darcy --input permeability --output pressure --network fourier --seconds 600 --out fno",
    ),
    ("finetune",): (
        "genmech finetune trained/model.safetensors runs/steel --out adapted",
        "genmech finetune trained/model.safetensors runs/steel --how low_rank --rank 8 --seconds 30 --out adapted",
    ),
    ("evaluate",): (
        "genmech evaluate trained/model.safetensors runs/fibres:test --out card",
        "genmech evaluate samples.npz runs/fibres:test --training runs/fibres:train --solve --out card",
        "genmech evaluate generator.safetensors runs/fibres --count 100 --json",
    ),
    ("export",): (
        "genmech export trained/model.safetensors --out model.onnx --data runs/fibres:test --vjp",
        "genmech export trained/model.safetensors --out small.onnx --half --sizes 64x64,128x96",
        "genmech export generator.safetensors --out decoder.onnx --part decoder",
    ),
    ("design", "structure"): (
        "genmech design structure --out runs/beam",
        "genmech design structure --load mbb --shape 120x40 --volume 0.4 --radius 3 --out runs/mbb",
        "genmech design structure --shape 24x8x8 --iterations 60 --step --out runs/solid",
    ),
    ("design", "cell"): (
        "genmech design cell runs/demo --target-of wanted.npy --out runs/cell",
        "genmech design cell runs/demo --target 9.1 4.2 0 9.1 0 4.9 --refine-by-adjoint 40 --out runs/cell",
        "genmech design cell runs/demo --target-of wanted.npy --min-feature 2 --draws 5000 --out runs/cell",
    ),
    ("explore",): ("genmech explore runs/demo", "genmech explore runs/cell --port 8000 --no-browser"),
    ("retrain",): (
        "genmech retrain trained/model.safetensors runs/fallbacks runs/fibres --out better",
        "genmech retrain trained/model.safetensors runs/fallbacks runs/fibres --how partial --seconds 120 --out better",
    ),
    ("anomaly",): (
        "genmech anomaly normal.npy suspects.npy --out report",
        "genmech anomaly runs/fibres:train runs/debonded --detector flow --periodic --seconds 300 --out report",
        "genmech anomaly runs/fibres:test runs/debonded --detector report/detector.onnx --out again",
    ),
    ("verify", "mechanical-mnist"): (
        "genmech verify mechanical-mnist mechanical_mnist_uniaxial.npz",
        "genmech verify mechanical-mnist mechanical_mnist_uniaxial.npz --samples 0:100 --json energies.json",
    ),
    ("plugins",): ("genmech plugins", "genmech plugins --group microstructures --json"),
    ("doctor",): ("genmech doctor", "genmech doctor dolfinx compiler petsc", "genmech doctor --json"),
    ("completion",): (
        "genmech completion bash > ~/.local/share/bash-completion/completions/genmech",
        "genmech completion zsh > ~/.zfunc/_genmech",
        "genmech completion fish > ~/.config/fish/completions/genmech.fish",
    ),
}


def epilog(path: tuple[str, ...]) -> str:
    """The end of the help of a command."""
    return "\n  ".join(["examples:", *EXAMPLES.get(path, ())])

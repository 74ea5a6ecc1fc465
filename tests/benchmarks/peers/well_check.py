"""What The Well's own reader finds in an exported data set: ``python well_check.py TASK.npz RESULT.json``.

The task: ``folder`` with the data set, ``parts`` of it, ``outputs``, the number of steps to predict,
and ``source``, a checkout of The Well with its format checker, or "" for none.
"""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import torch
from the_well.data import WellDataset
from the_well.data.normalization import ZScoreNormalization


def reader(folder, part, outputs, **settings):
    return WellDataset(folder, well_split_name=part or None, n_steps_input=1, n_steps_output=outputs, **settings)


def normalised(folder, part, outputs):
    """Mean and standard deviation of every channel after The Well's normalisation."""
    samples = list(reader(folder, part, outputs, use_normalization=True, normalization_type=ZScoreNormalization))
    found = {}
    for name in ("input_fields", "constant_fields"):
        if name in samples[0]:
            values = torch.cat([sample[name].double().flatten(end_dim=-2) for sample in samples])
            found[name] = [values.mean(0).tolist(), values.std(0, correction=0).tolist()]
    return found


def main(task, result):
    """Read all that the task names and write it."""
    with np.load(task) as given:
        folder, parts, outputs, source = (given[name].tolist() for name in ("folder", "parts", "outputs", "source"))
    answer = {"checked": [], "parts": {}}
    for part in parts:
        data = reader(folder, part, outputs)
        answer["parts"][part] = {
            "samples": [{name: value.tolist() for name, value in sample.items()} for sample in data],
            "fields": [name for names in data.metadata.field_names.values() for name in names],
            "constant_fields": [name for names in data.metadata.constant_field_names.values() for name in names],
            "scalars": data.metadata.scalar_names,
            "constant_scalars": data.metadata.constant_scalar_names,
            "trajectories": data.metadata.n_trajectories_per_file,
            "resolution": data.metadata.spatial_resolution,
        }
    answer["normalised"] = normalised(folder, parts[0], outputs)
    if source:
        check = runpy.run_path(str(Path(source) / "scripts" / "check_thewell_formatting.py"))["check_hdf5_format"]
        for file in sorted(Path(folder).rglob("*.hdf5")):
            check(str(file))
            answer["checked"].append(file.name)
    Path(result).write_text(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

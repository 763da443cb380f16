"""What the scoreboard wants to know of the system that ran, taken from the record of a run.

Price and peak power stand there where somebody declared them, and nowhere else; clocks are never typed in: the records
hold what was read from each device before and after each run.
"""

# Species of the published entries, so that ours stand in the same group.
ALGORITHM = "f4f75a0a6b65e4cd"  # image classification
MODELS = {
    "alexnet": {"model_species": "c0ad9b9800422f98", "model_design_name": "AlexNet (authors' implementation)"},
    "vgg16": {"model_species": "a3fcac86d42bdbc4", "model_design_name": "VGG16"},
}
DECLARED = {
    "price_usd": "platform_price",
    "price_date": "platform_price_date",
    "price_source": "platform_price_source",
    "peak_power_w": "platform_peak_power",
    "peak_power_source": "platform_peak_power_source",
}
UNKNOWN = "unknown"


def meta_of(record, dependencies):
    """Meta of an entry, or of one row of it.

    Args:
        record: of a run, as plain data.
        dependencies: `deps_summary` of the entry.

    Returns:
        Keys of an entry's meta; what nobody knows is not among them.
    """
    model = record["model"]["name"]
    target = record["target"]
    meta = {
        "algorithm_species": ALGORITHM,
        "model_species": model,
        "model_design_name": model,
        "model_precision": "fp32",
        "batch_size": 1,
        "library_name": _library(dependencies),
        "processed": "yes",
    }
    meta.update(MODELS.get(model, {}))
    if target["kind"] == "farm":
        # CK looked at the machine of the source; a farm is what its nodes are.
        nodes = [device for device in record["devices"] if device["roles"] != ["initial"]]
        meta["farm"] = "%s: %d devices (Avro)" % (target["name"], target["devices"])
        meta["cpu_name"] = _common(nodes, "cpu")
        meta["os_name"] = _common(nodes, "system")
        meta["plat_name"] = _common(nodes, "board")
    declared = record.get("declared") or {}
    meta.update((name, declared[key]) for key, name in DECLARED.items() if declared.get(key) not in (None, ""))
    return meta


def _common(devices, key):
    """What the devices are; different ones are joined, and unknown ones stay empty as CK leaves them."""
    found = {}
    for device in devices:
        value = (device.get("before") or {}).get(key, UNKNOWN)
        if isinstance(value, str) and value != UNKNOWN:
            found[value] = True
    return " ; ".join(found)


def _library(dependencies):
    library = dependencies.get("lib-tensorflow", {})
    return " ".join(part for part in (library.get("data_name", ""), library.get("version", "")) if part)

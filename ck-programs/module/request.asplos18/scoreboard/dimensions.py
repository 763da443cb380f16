"""Dimensions, columns and filters of the scoreboard: what each is called and where it stands in an entry.

The first eight dimensions and most columns are those of the original scoreboard; energy and what was checked are new.
"""

from dataclasses import dataclass

RUN = "##characteristics#run#"
META = "##meta#"


@dataclass(frozen=True)
class Dimension:
    """A figure by which rows can be compared.

    Attributes:
        key: its name in `characteristics.run`, or in the meta where `declared`.
        name: what people read, with the unit.
        higher: whether more is better.
        declared: somebody said so; nobody measured it.
    """

    key: str
    name: str
    higher: bool = False
    declared: bool = False

    @property
    def flat(self):
        """Its key in a row of raw data."""
        return META + self.key if self.declared else RUN + self.key


DIMENSIONS = (
    Dimension("inference_throughput", "Throughput (inferences/s)", higher=True),
    Dimension("prediction_time_avg_s", "Time per inference (s)"),
    Dimension("inference_latency", "Latency, send to result (s)"),
    Dimension("energy_total_j", "Energy per inference, total (J)"),
    Dimension("energy_static_j", "Energy per inference, static (J)"),
    Dimension("energy_dynamic_j", "Energy per inference, dynamic (J)"),
    Dimension("accuracy_top1", "Accuracy, top 1", higher=True),
    Dimension("accuracy_top5", "Accuracy, top 5", higher=True),
    Dimension("rss_bytes", "Memory (B)"),
    Dimension("model_size", "Model size (B)", declared=True),
    Dimension("platform_peak_power", "Declared peak power (W)", declared=True),
    Dimension("platform_price", "Declared price ($)", declared=True),
    Dimension("usage_cost", "Declared usage cost ($)", declared=True),
)
AXES = ("inference_throughput", "energy_total_j")
OTHERWISE = "prediction_time_avg_s"  # in place of an axis that no row has a figure for

# Key of a row -> heading: before the dimensions, and the two others after them.
SYSTEM_COLUMNS = {
    META + "model_design_name": "Model",
    META + "model_precision": "Precision",
    META + "farm": "Farm",
    META + "plat_name": "Platform",
    META + "cpu_name": "CPU",
    META + "gpgpu_name": "GPU",
}
SOFTWARE_COLUMNS = {
    META + "os_name": "OS",
    META + "library_name": "Library",
    META + "compiler_name": "Compiler",
    "software": "Software",
    "environment": "Environment",
    "##choices#data_uoa#min": "Workload",
    META + "dataset_species": "Dataset",
    META + "batch_size": "Batch",
}
PROVENANCE_COLUMNS = {
    META + "platform_price_date": "Price of",
    RUN + "frames_verified#min": "Frames checked",
    "repetitions": "Repetitions",
    META + "timestamp": "Recorded",
    "replay": "Repeat it",
}

FILTERS = {
    META + "algorithm_species": "Algorithm",
    META + "model_design_name": "Model",
    META + "model_precision": "Precision",
    META + "dataset_species": "Dataset",
    META + "farm": "Farm",
    META + "platform_species": "Kind of platform",
    META + "plat_name": "Platform",
    META + "os_name": "OS",
    META + "cpu_name": "CPU",
    META + "gpgpu_name": "GPU",
    META + "library_name": "Library",
    "verdict": "Verdict",
}


def by_key(key, otherwise):
    """The dimension of this name, or another where nobody knows the name."""
    known = {dimension.key: dimension for dimension in DIMENSIONS}
    return known.get(key) or known[otherwise]

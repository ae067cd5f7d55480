"""One module opens the paths of a run.

Recognized in the source: a call of a function or method that opens, makes, moves or removes what a path names. A module may
hold one only where it is listed here, with what it opens, which is never a run's folder.
"""

import ast

from tests.test_rooms import trees

FUNCTIONS = {
    "open",
    "os.open",
    "os.unlink",
    "os.remove",
    "os.rename",
    "os.replace",
    "os.mkdir",
    "os.makedirs",
    "os.truncate",
    "os.link",
    "os.symlink",
    "np.load",
    "np.save",
    "np.savez",
    "np.loadtxt",
    "np.memmap",
    "torch.load",
    "torch.save",
    "Image.open",
    "OmegaConf.load",
    "OmegaConf.save",
    "logging.FileHandler",
    "FileHandler",
    "SummaryWriter",
    "shutil.rmtree",
    "shutil.move",
    "shutil.copy",
    "shutil.copyfile",
    "shutil.copytree",
    "zipfile.ZipFile",
    "tempfile.TemporaryDirectory",
}
METHODS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rmdir", "touch", "rename"}
METHODS |= {"symlink_to", "hardlink_to"}

ALLOWED = {
    "runs.files": "the one",
    "core.files": "what its callers name: runs.files, or files that a user asked for",
    "core.cache": "what can be made again, in the user's cache folder",
    "core.memory": "/proc and /sys",
    "core.streams": "the null device",
    "report.render": "the templates of the package",
    "sweep.submitted": "the code of aerun, and modules of the user's own",
    "sweep.submitit_jobs": "makes the folder of a sweep, as Hydra's launcher does",
    "sweep.ray_jobs": "the same",
    "compose": "the options under configs",
    "settings.catalog": "the options under configs",
    "settings.explain": "the options under configs",
    "settings.targets": "the options under configs",
    "command.data_fits": "the options under configs",
    "command.complete": "the text of the verbs' modules",
    "settings.completion": "the options under configs, and those of the user's own",
    "experiment.plan": "the experiments under configs, or files that a user names",
    "experiment.table": "the page of --output",
    "report.figures": "the folder of --figures",
    "trainer.launcher": "a temporary folder of its own",
    "command.rank": "the same",
    "sklearn.base": "a temporary folder of its own",
    "bill.probe": "the same",
    "command.compare": "the table of --csv",
    "command.data_page": "pictures that a user asked for",
    "command.answers": "a file that a user names",
    "settings.deletions": "aerun's own configs",
    "settings.replaced": "the configs of aerun and of the user's own",
    "settings.naming": "makes the new, empty folder of a run under its own name",
    "solve.written": "the presets of a plan, in its own folder",
    "solve.conduct": "a copy of a job of its own, which it ends early",
    "command.solve": "shows these presets; --fresh removes a folder that has a plan's own file",
    "api": "takes that folder away again where nothing was written",
    "inference.export": "the file of --output",
    "inference.saelens": "makes the folder of --output",
    "command.import": "makes the folder in which that of --output is made",
    "inference.packed_format": "the file of --output",
    "inference.recordings": "recordings that a user names",
    "evaluate.codecs": "bytes in memory",
    "command.follow": "rows at hand as a file of their own, in a folder for a moment",
    "inference.arriving": "a file that grows, which a user names",
    "build.behind": "a file of weights or a matrix that a user names, of which tensors alone are read",
    "experiment.measures.saelens": "a folder of its own, which it removes",
    "build.features": "a file of weights that a user names, of which tensors alone are read",
}
ROOMS = ("formats", "dataset")  # the data themselves
IN_MEMORY = {  # calls that take a file that is open already
    ("runs.tree", "zipfile.ZipFile"),
    ("runs.tree", "open"),
    ("runs.plain", "zipfile.ZipFile"),
    ("runs.plain", "open"),
    ("runs.folder", "np.save"),
    ("runs.reference", "np.savez"),
    ("inference.kept_arrays", "np.savez"),
    ("trainer.saved", "torch.save"),
    ("trainer.fused.training", "open"),  # of a record
    ("trainer.record", "open"),
    ("begin", "open"),  # of a `Folder`
    ("sweep.fuse", "open"),
}


def calls(nodes):
    """Names of what opens a path."""
    for node in nodes:
        if isinstance(node, ast.Call):
            name = _dotted(node.func)
            if name in FUNCTIONS:
                yield name
            elif isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                yield node.func.attr


def _dotted(func):
    """os.open of a call of it; unparsing each of the 40,000 calls takes seconds."""
    if isinstance(func, ast.Attribute):
        return f"{_dotted(func.value)}.{func.attr}"
    return func.id if isinstance(func, ast.Name) else ""


def test_no_other_module_opens_a_path_of_a_run():
    found = set()
    for module, nodes in trees():
        name = module.removeprefix("aerun.")
        if name not in ALLOWED and name.split(".")[0] not in ROOMS:
            found |= {(name, call) for call in calls(nodes)}
    assert found <= IN_MEMORY


def test_what_is_listed_is_there():
    modules = {module.removeprefix("aerun.") for module, _ in trees()}
    assert set(ALLOWED) | {m for m, _ in IN_MEMORY} <= modules

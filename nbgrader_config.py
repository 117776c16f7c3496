"""Read by nbgrader's own commands and by formgrader when they start in this folder."""

from grading.nbgrader_plugin.config import configure_folder

configure_folder(get_config(), __file__)  # noqa: F821  (traitlets provides get_config)

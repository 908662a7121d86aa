"""From what the operator wrote to the model, or to everything that is wrong with it."""

from clawkeep.config.keep import load_keep
from clawkeep.config.problem import ConfigError, Mark, Problem
from clawkeep.config.services import load_services, parse_services

__all__ = ["ConfigError", "Mark", "Problem", "load_keep", "load_services", "parse_services"]

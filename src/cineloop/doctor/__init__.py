"""What is wrong with an installation and a workspace, and how to mend it. It looks, and changes nothing."""

from cineloop.doctor.finding import Finding, Level
from cineloop.doctor.folder import workspace
from cineloop.doctor.installed import installation

__all__ = ["Finding", "Level", "installation", "workspace"]

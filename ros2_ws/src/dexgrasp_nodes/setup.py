from setuptools import setup

NODES = (
    "bridge",
    "demo",
    "description",
    "evaluator",
    "executor",
    "lifecycle_manager",
    "perception",
    "pick",
    "recorder",
    "synthesis",
    "trials",
)

setup(
    name="dexgrasp_nodes",
    version="0.1.0",
    packages=["dexgrasp_nodes", "dexgrasp_nodes.conversions"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/dexgrasp_nodes"]),
        ("share/dexgrasp_nodes", ["package.xml"]),
    ],
    zip_safe=True,
    maintainer="dexgrasp maintainers",
    maintainer_email="maintainers@dexgrasp.dev",
    description="Thin ROS 2 nodes around the dexgrasp library.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [f"{node}_node = dexgrasp_nodes.{node}_node:main" for node in NODES]
    },
)

"""Functions that only kernels call: their code is generated once and optimised in the kernel.

Numba optimises each function and emits its machine code, and then optimises the same code again in
every function that calls it. For a function that runs only inside kernels all of this is wasted
except the last step. Here the LLVM code of such a function is generated and linked; the kernel that
contains it is optimised and emitted as a whole. This halves the compile time of a kernel.
"""

from numba import njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.extending import typeof_impl


def fragment(function, **options):
    """Return a function that is compiled as a part of the kernels that call it.

    Parameters
    ----------
    function : function
        Python function that Numba can compile.
    **options
        Options of `numba.njit`.

    Returns
    -------
    Fragment
        Callable in kernels, and in Python without compilation.
    """
    no_wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return Fragment(njit(**options, **no_wrappers, pipeline_class=FragmentCompiler)(function))


class Fragment:
    """A function that Numba compiles when a kernel calls it. In Python it runs as it is.

    Parameters
    ----------
    dispatcher : numba.core.dispatcher.Dispatcher
        Numba's dispatcher of the function. Python must not call it: there is no machine code.
    """

    def __init__(self, dispatcher):
        self._dispatcher = dispatcher

    def __call__(self, *args):
        return self._dispatcher.py_func(*args)

    @property
    def numba_type(self):
        """Numba's type of a function with overloads."""
        return types.Dispatcher(self._dispatcher)


@typeof_impl.register(Fragment)
def _type_of_fragment(value, context):
    return value.numba_type


class FragmentCompiler(CompilerBase):
    """Numba's compiler with a library that is neither optimised nor emitted."""

    def define_pipelines(self):
        """Return Numba's pipeline with one more pass, which chooses the library."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.add_pass_after(_ChooseLibrary, NopythonTypeInference)
        pipeline.finalize()
        return [pipeline]


@register_pass(mutates_CFG=False, analysis_only=True)
class _ChooseLibrary(FunctionPass):
    _name = "choose_library"

    def __init__(self):
        FunctionPass.__init__(self)

    def run_pass(self, state):
        codegen = state.targetctx.codegen()
        state.library = _FragmentLibrary(codegen, state.func_id.func_qualname)
        return False


class _FragmentLibrary(JITCodeLibrary):
    """LLVM code that is linked into other libraries."""

    @property
    def codegen(self):
        return _CodegenWithoutEnvironment(self._codegen)

    def get_pointer_to_function(self, name):
        self._ensure_finalized()
        return 0  # Numba's value for a function without machine code

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalized = True


class _CodegenWithoutEnvironment:
    """Numba's code generator for a library without a global variable for the environment."""

    def __init__(self, codegen):
        self._codegen = codegen

    def __getattr__(self, name):
        return getattr(self._codegen, name)

    def set_env(self, env_name, env):
        """Do nothing: an environment serves exceptions, which kernels do not raise."""

# The generated msg, srv and action packages lie beside this file only in an installed workspace;
# extend_path finds them there when the source folder comes first on sys.path.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
